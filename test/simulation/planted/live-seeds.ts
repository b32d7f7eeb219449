// Lives seed after seed on the source in a folder, until a claim does not hold or the time is up:
//   node live-seeds.ts FOLDER '{"life": {"faults": "all"}, "from": 1, "seeds": 1000, "seconds": 60}'
// and prints the outcome as one line of JSON. A process of its own, since each bug is another source.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { LifeOptions, LifeResult } from '../../../src/simulation/life/types.ts';
import type { HuntOptions, Outcome } from './hunt.ts';

const [folder = '', text = ''] = process.argv.slice(2);
const { life, from, seeds, seconds }: HuntOptions = JSON.parse(text);
const startMs = performance.now();
const module: { runLife(options: LifeOptions): Promise<LifeResult> } = await import(
  pathToFileURL(join(folder, 'src/simulation/life/life.ts')).href
);

let caught: Outcome['caught'];
let lived = 0;
let simulatedMs = 0;
/** Of this process, so that neighbours on the machine do not count. */
const usedSeconds = (): number => process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6;
for (let seed = from; seed < from + seeds && usedSeconds() < seconds && caught === undefined; seed++) {
  const result = await module.runLife({ ...life, seed });
  lived += 1;
  simulatedMs += result.simulatedMs;
  if (result.failure === undefined) continue;
  const { checker, message, atUs } = result.failure;
  caught = { seed, checker, message, atMs: atUs / 1000 };
}
const elapsedSeconds = (performance.now() - startMs) / 1000;
const outcome: Outcome = { seeds: lived, simulatedMs, usedSeconds: usedSeconds(), elapsedSeconds, caught };
writeSync(1, `${JSON.stringify(outcome)}\n`);
process.exit(0);
