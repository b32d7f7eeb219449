// A transport that does to single calls what networks do: loses the answer, delivers late, breaks the connection.
import { GrpcTransport, type Transport, type TransportFactory } from '../../src/client/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import type { AnyMethod } from '../../src/wire/index.ts';

const runtime = nodeRuntime();

export type Meddling =
  /** Carried out; the answer does not come. */
  | 'lose-answer'
  /** Not carried out yet: kept until `deliver`. */
  | 'hold'
  | undefined;

export class MeddlingNetwork {
  /** Asked for each unary call. */
  meddle: (method: AnyMethod) => Meddling = () => undefined;
  /** How many calls were meddled with. */
  meddled = 0;
  /** Calls, and messages in streams. */
  sent = 0;
  readonly #live = new Set<Transport>();
  readonly #held: (() => Promise<unknown>)[] = [];
  #cut = false;

  readonly connect: TransportFactory = (endpoint) => {
    const transport = new GrpcTransport(endpoint, { runtime, headers: () => ({ hasleader: 'true' }) });
    this.#live.add(transport);
    transport.onBreak(() => this.#live.delete(transport));
    if (this.#cut) transport.close(broken());
    return {
      endpoint,
      unary: async (method, request, options) => {
        this.sent += 1;
        const meddling = this.meddle(method);
        if (meddling === undefined) return await transport.unary(method, request, options);
        this.meddled += 1;
        if (meddling === 'lose-answer') await transport.unary(method, request, options);
        else {
          this.#held.push(async () => {
            const late = new GrpcTransport(endpoint, { runtime });
            try {
              return await late.unary(method, request, { timeoutMs: 10_000 });
            } finally {
              late.close();
            }
          });
        }
        throw broken();
      },
      stream: (method, options) => {
        const stream = transport.stream(method, options);
        const send: typeof stream.send = (message) => {
          this.sent += 1;
          stream.send(message);
        };
        return { ...stream, send };
      },
      onBreak: (listener) => transport.onBreak(listener),
      close: (cause) => transport.close(cause),
    };
  };

  /** What is held arrives now, in the order of sending. How many; refusals of the server are its own affair. */
  async deliver(): Promise<number> {
    const held = this.#held.splice(0);
    for (const send of held) await send().catch(() => {});
    return held.length;
  }

  cut(): void {
    this.#cut = true;
    for (const transport of [...this.#live]) transport.close(broken());
  }

  restore(): void {
    this.#cut = false;
  }
}

function broken(): ConclaveError {
  return new ConclaveError('unavailable', 'The connection broke.', { retryable: true, outcome: 'unknown' });
}
