/**
 * Clients that take partitions, several in one process, each with a store, connection and session of its own. Told by
 * arguments: endpoints, name, count, and the holders to be. Writes "ready" when all take part, and for each line that
 * comes in how many requests their stores have made.
 */
import { createInterface } from 'node:readline';
import { sessionWith, storeWith } from '../src/conformance/wrapping.ts';
import type { LeaseStore } from '../src/election/index.ts';
import { Partitions } from '../src/partitions/index.ts';
import { conclaveStore } from '../src/stores/conclave.ts';

const [endpoints = '', name = '', count = '', ...holders] = process.argv.slice(2);
let requests = 0;

function counted(store: LeaseStore): LeaseStore {
  const one = <T>(value: T): T => {
    requests += 1;
    return value;
  };
  return storeWith(store, {
    read: (election, options) => one(store.read(election, options)),
    openSession: async (options) => {
      const session = await one(store.openSession(options));
      return sessionWith(session, {
        renew: (more) => one(session.renew(more)),
        acquire: (election, more) => one(session.acquire(election, more)),
        release: (election, token, more) => one(session.release(election, token, more)),
        withdraw: (election, more) => one(session.withdraw(election, more)),
      });
    },
  });
}

const clients = holders.map((holder) => {
  return new Partitions(counted(conclaveStore({ endpoints: endpoints.split(',') })), name, {
    count: Number(count),
    holder,
    ttlMs: 5000,
    releaseOnDisconnect: true,
    onAssigned: () => {},
  });
});
await Promise.all(clients.map((client) => client.ready()));
process.stdout.write('ready\n');
for await (const _ of createInterface({ input: process.stdin }))
  process.stdout.write(`requests ${requests}\n`);
