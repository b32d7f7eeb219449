/**
 * One replica of a service that only one process may provide: it hands out tickets with rising numbers. The leader
 * answers; every other replica sends the client there.
 *   CONCLAVE_ENDPOINTS  the cluster; default a member on this machine
 *   PORT                where to listen; default 8081; 0: wherever nobody does
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { elect, type Leadership, observe } from 'conclave';
import { conclaveStore } from 'conclave/conclave';
import { ConclaveError } from 'conclave/errors';

const { CONCLAVE_ENDPOINTS, PORT = '8081' } = process.env;
const store = conclaveStore({ endpoints: CONCLAVE_ENDPOINTS ?? 'http://127.0.0.1:2379' });
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('SIGINT', () => stop.abort());

/** Present while this replica leads. */
let service: { readonly leadership: Leadership; issued: number } | undefined;
/** Where the leader is, as far as this replica knows. */
let leaderUrl: string | undefined;

const server = createServer((request, response) => {
  request.resume();
  if (request.method !== 'POST' || request.url !== '/tickets') return end(response, 404, 'no such thing');
  if (service !== undefined) {
    try {
      // The token makes the numbers of different leaders differ, and those of a later one higher.
      const ticket = `${service.leadership.token}.${service.issued + 1}`;
      service.leadership.assertHeld(); // Right before the effect; also after a pause in which nothing else ran.
      service.issued += 1;
      return end(response, 200, ticket);
    } catch (error) {
      if (!ConclaveError.is(error, 'not-leading')) throw error;
    }
  }
  if (leaderUrl === undefined || leaderUrl === ownUrl) {
    return end(response, 503, 'nobody leads; try again', { 'retry-after': '1' });
  }
  // 307: to be repeated there with its method and body.
  end(response, 307, leaderUrl, { location: new URL(request.url, leaderUrl).href });
});
server.listen(Number(PORT), '127.0.0.1');
await once(server, 'listening');
const ownUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
console.log(`listens on ${ownUrl}`);

const following = (async () => {
  for await (const leader of observe(store, 'tickets', { signal: stop.signal })) leaderUrl = leader?.metadata;
})();
await elect(
  store,
  'tickets',
  async (leadership) => {
    console.log(`leads with token ${leadership.token}`);
    service = { leadership, issued: 0 };
    if (!leadership.signal.aborted) await once(leadership.signal, 'abort');
    service = undefined;
    console.log(`does not lead any more: ${leadership.signal.reason.message}`);
  },
  // A killed leader is replaced when its connection breaks, a silent one when its lease has run out.
  { metadata: ownUrl, ttlMs: 2000, releaseOnDisconnect: { graceMs: 100 }, signal: stop.signal },
);
await following;
server.close();
server.closeAllConnections();
await store[Symbol.asyncDispose]();

function end(response: ServerResponse, status: number, text: string, headers = {}): void {
  response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(`${text}\n`);
}
