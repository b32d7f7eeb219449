import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../examples/shared/child.ts';
import { TicketClient } from '../../examples/singleton-http/client.ts';
import { freePorts } from '../ports.ts';
import { Processes } from './processes.ts';
import { patience, type Setting } from './setting.ts';

const rounds = 4;

export function testSingletonHttp(setting: Setting): void {
  test(
    'singleton-http: no ticket is handed out twice and none is lower than an earlier one; followers redirect',
    patience,
    async () => {
      const ports = await freePorts(3);
      const urls = ports.map((port) => `http://127.0.0.1:${port}`);
      /** Who listens there now. */
      const at = new Map<string, Child>();
      const start = (name: string) => {
        const url = urls.find((one) => !at.get(one)?.running) ?? '';
        const environment = { CONCLAVE_ENDPOINTS: setting.endpoints, PORT: new URL(url).port };
        const replica = setting.checkout.start('singleton-http/replica.ts', environment, name);
        at.set(url, replica);
        return replica;
      };
      await using replicas = new Processes(start, 3);
      await Promise.all(replicas.all.map((replica) => replica.wrote(/^listens/)));

      const stop = new AbortController();
      const clients = urls.map((_, position) => new TicketsInOrder(new TicketClient(urls, position)));
      const taking = Promise.all(clients.map((client) => client.run(stop.signal)));
      for (let round = 0; round < rounds; round++) {
        const leader = await clients[0]?.leaderNow();
        const hurt = at.get(leader ?? '');
        assert.ok(hurt);
        if (round % 2 === 0) {
          await hurt.kill();
          await replicas.add().wrote(/^listens/);
        } else {
          hurt.signal('SIGSTOP');
          await clients[0]?.leaderNow(leader);
          hurt.signal('SIGCONT');
        }
      }
      await clients[0]?.leaderNow();
      stop.abort();
      await taking;
      await assertRedirects(urls);
      assert.deepEqual(await replicas.stop(), []);

      const tickets = clients.flatMap((client) => client.tickets);
      assert.equal(new Set(tickets).size, tickets.length, 'a ticket was handed out twice');
      for (const client of clients) assert.deepEqual(client.fallen, []);
      assert.ok(
        clients.some((client) => client.redirected > 0),
        'nobody was ever redirected',
      );
    },
  );
}

/** Those that do not lead send the client to one of the others, as soon as they have heard which. */
async function assertRedirects(urls: readonly string[]): Promise<void> {
  let redirects = 0;
  for (const url of urls) {
    for (;;) {
      const response = await fetch(`${url}/tickets`, { method: 'POST', redirect: 'manual' });
      await response.text();
      if (response.status !== 503) {
        if (response.status === 200) break;
        assert.equal(response.status, 307);
        const others = urls.filter((one) => one !== url).map((one) => `${one}/tickets`);
        assert.ok(others.includes(response.headers.get('location') ?? ''), url);
        redirects += 1;
        break;
      }
      await sleep(20);
    }
  }
  assert.ok(redirects >= 2, `${redirects} of three replicas redirect`);
}

class TicketsInOrder {
  readonly tickets: string[] = [];
  /** Tickets that are not above the one before. */
  readonly fallen: string[] = [];
  redirected = 0;
  readonly #client: TicketClient;
  readonly #waiting = new Set<(from: string) => void>();

  constructor(client: TicketClient) {
    this.#client = client;
  }

  async run(signal: AbortSignal): Promise<void> {
    let last = [0, 0];
    while (!signal.aborted) {
      const { ticket, from, redirected } = await this.#client.take();
      const [token = 0, number = 0] = ticket.split('.').map(Number);
      const [lastToken = 0, lastNumber = 0] = last;
      if (token < lastToken || (token === lastToken && number <= lastNumber)) this.fallen.push(ticket);
      last = [token, number];
      this.tickets.push(ticket);
      if (redirected) this.redirected += 1;
      for (const tell of this.#waiting) tell(from);
    }
  }

  /** The address from which the next ticket comes that does not come from `not`. */
  async leaderNow(not?: string): Promise<string> {
    return await new Promise((resolve) => {
      const tell = (from: string) => {
        if (from === not) return;
        this.#waiting.delete(tell);
        resolve(from);
      };
      this.#waiting.add(tell);
    });
  }
}
