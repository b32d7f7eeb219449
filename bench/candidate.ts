/**
 * A candidate as a process of its own, told by arguments: endpoints, election, options as JSON. Leads an election of
 * its own a few dozen times first, as a process that has run for a while: code that runs for the first time takes
 * several times as long. Then it writes a line with the machine's monotonic time when it leads. When a line comes in,
 * it resigns, or hands off to the holder behind "hand-off".
 */
import { createInterface } from 'node:readline';
import { Candidate, type CandidateOptions } from '../src/election/index.ts';
import { conclaveStore } from '../src/stores/conclave.ts';

const [endpoints, name, options] = process.argv.slice(2) as [string, string, string];
await using store = conclaveStore({ endpoints: endpoints.split(',') });
{
  await using rehearsal = new Candidate(store, `rehearsal of ${process.pid}`);
  for (let round = 0; round < 150; round++) await (await rehearsal.campaign()).resign();
}
const announce = (what: string) => process.stdout.write(`${what} ${process.hrtime.bigint()}\n`);
announce('warm');
await using candidate = new Candidate(store, name, JSON.parse(options) as CandidateOptions);
let leadership = await candidate.campaign();
announce('leading');
for await (const line of createInterface({ input: process.stdin })) {
  const [order, toHolder] = line.split(' ');
  if (order === 'hand-off' && toHolder !== undefined) {
    // On a busy machine the other may not have come back into the queue yet.
    const waits = async () => (await store.read(name)).waiting.some(({ holder }) => holder === toHolder);
    while (!(await waits())) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  leadership.signal.addEventListener('abort', () => announce('resigning'));
  if (order === 'hand-off' && toHolder !== undefined) await leadership.handOff(toHolder);
  else await leadership.resign();
  leadership = await candidate.campaign();
  announce('leading');
}
