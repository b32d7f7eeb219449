import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { duplexPair } from 'node:stream';
import { pause } from '../../runtime/pause.ts';
import type { Timers } from '../../runtime/types.ts';
import type { HttpExchange } from '../http2/index.ts';
import type { CallConnection } from '../types.ts';
import { drained } from './http-call.ts';
import type { HttpServer } from './http-server.ts';

/** Headers that speak of one connection, which in HTTP/2 have no place. */
const ofConnections = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'proxy-connection',
]);

/** Whoever was answered before its request had ended has this long to end it: then the answer ends without that. */
const endWithinMs = 2000;

/**
 * Serves a plain request that came over HTTP/2, such as a browser's or curl's by TLS, by what serves HTTP/1.1: over a
 * connection inside this process. What is not gRPC is not many requests, so this may cost what it costs.
 */
export async function serveOverHttp1(
  server: HttpServer,
  exchange: HttpExchange,
  connection: CallConnection,
  timers: Timers,
): Promise<void> {
  const [near, far] = duplexPair();
  const abandon = (): void => {
    near.destroy();
    far.destroy();
  };
  near.on('error', () => {});
  exchange.onAborted = abandon;
  server.accept(far, connection);
  const { method, path, authority, fields } = exchange.head;
  const sent = new AbortController();
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpRequest({ createConnection: () => near, method, path });
      // First of all, and for good: a header that HTTP/1.1 cannot carry is thrown here and ends the connection, and an
      // error that nobody listens to ends the process.
      request.once('response', resolve).on('error', reject);
      if (authority !== '') request.setHeader('host', authority);
      for (const [name, value] of fields) if (name !== 'te') request.appendHeader(name, value);
      // Beside the answer, which may begin before the request has ended.
      void sendContent(exchange, request).then(() => sent.abort());
    });
    exchange.respond(answer.statusCode ?? 500, answerFields(answer));
    for await (const bytes of answer) await exchange.write(bytes as Uint8Array);
    // Its end would reset a request that goes on, and what comes of that one still has to be looked at.
    await pause(timers, endWithinMs, sent.signal, { background: true });
    exchange.end();
  } finally {
    abandon();
  }
}

/**
 * Resolves when all of the content has come; what the server does not want any more is passed over. Never rejects: what
 * goes wrong with the connection shows in the answer.
 */
async function sendContent(exchange: HttpExchange, request: ClientRequest): Promise<void> {
  for await (const bytes of exchange.content()) {
    if (!request.destroyed && !request.write(bytes)) await drained(request);
  }
  if (!request.destroyed) request.end();
}

function answerFields(answer: IncomingMessage): [name: string, value: string][] {
  const fields: [string, string][] = [];
  for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2) {
    const name = (answer.rawHeaders[at] as string).toLowerCase();
    if (!ofConnections.has(name)) fields.push([name, answer.rawHeaders[at + 1] as string]);
  }
  return fields;
}
