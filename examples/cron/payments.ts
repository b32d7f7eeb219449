/** Stands for somebody's payments API: who repeats a request with the same Idempotency-Key gets the first answer. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Payments {
  readonly url: string;
  /** The charges made, by idempotency key. */
  readonly charges: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** `answer` is awaited after a request took effect and before it is answered. */
export async function startPayments(
  answer: (key: string, repeated: boolean) => Promise<void>,
): Promise<Payments> {
  const charges = new Map<string, number>();
  const server = createServer(async (request, response) => {
    request.resume();
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string') return response.writeHead(400).end('an Idempotency-Key is needed');
    const known = charges.get(key);
    const charge = known ?? charges.size + 1;
    charges.set(key, charge);
    await answer(key, known !== undefined);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ charge }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    charges,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/charges`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
