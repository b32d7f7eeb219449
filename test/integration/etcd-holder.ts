// Leads an election in an etcd and says each change of it on a line of its own, until it is told to end.
import { Candidate } from '../../src/election/index.ts';
import { etcdStore } from '../../src/stores/etcd.ts';

const [endpoints = '', name = '', ttlMs = ''] = process.argv.slice(2);
const store = etcdStore({ endpoints });
const candidate = new Candidate(store, name, { holder: 'child', ttlMs: Number(ttlMs) });
const leadership = await candidate.campaign();
leadership.signal.addEventListener('abort', () => {
  let held = true;
  try {
    leadership.assertHeld();
  } catch {
    held = false;
  }
  console.log(JSON.stringify({ aborted: true, held }));
});
console.log(JSON.stringify({ token: leadership.token }));
const cause = await leadership.ended;
console.log(JSON.stringify({ cause }));
await candidate[Symbol.asyncDispose]();
await store[Symbol.asyncDispose]();
