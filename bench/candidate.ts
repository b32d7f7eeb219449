/**
 * A candidate as a process of its own, told by arguments: endpoints, election, options as JSON. Writes a line with
 * the machine's monotonic time when it leads; resigns when a line comes in.
 */
import { createInterface } from 'node:readline';
import { Candidate, type CandidateOptions } from '../src/election/index.ts';
import { conclaveStore } from '../src/stores/conclave.ts';

const [endpoints, name, options] = process.argv.slice(2) as [string, string, string];
await using store = conclaveStore({ endpoints: endpoints.split(',') });
await using candidate = new Candidate(store, name, JSON.parse(options) as CandidateOptions);
let leadership = await candidate.campaign();
const announce = (what: string) => process.stdout.write(`${what} ${process.hrtime.bigint()}\n`);
announce('leading');
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== 'resign') continue;
  announce('resigning');
  await leadership.resign();
  leadership = await candidate.campaign();
  announce('leading');
}
