// Lives seed after seed on the source in a folder, until a claim does not hold or the time is up:
//   node live-seeds.ts FOLDER '{"life": {"faults": "all"}, "from": 1, "seeds": 1000, "seconds": 60}'
// and prints the outcome as one line of JSON. A process of its own, since each bug is another source.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { HuntOptions, Outcome } from './hunt.ts';

const [folder = '', text = ''] = process.argv.slice(2);
const { life, graphs, core, from, seeds, seconds }: HuntOptions = JSON.parse(text);
const startMs = performance.now();
const live =
  core !== undefined
    ? await coreHistories()
    : graphs === undefined
      ? await wholeLives()
      : await graphLives(graphs);

let caught: Outcome['caught'];
let lived = 0;
let simulatedMs = 0;
/** Of this process, so that neighbours on the machine do not count. */
const usedSeconds = (): number => process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6;
for (let seed = from; seed < from + seeds && usedSeconds() < seconds && caught === undefined; seed++) {
  const result = await live(seed);
  lived += 1;
  simulatedMs += result.simulatedMs;
  caught = result.caught;
}
const elapsedSeconds = (performance.now() - startMs) / 1000;
const outcome: Outcome = { seeds: lived, simulatedMs, usedSeconds: usedSeconds(), elapsedSeconds, caught };
writeSync(1, `${JSON.stringify(outcome)}\n`);
process.exit(0);

type Live = (seed: number) => Promise<Pick<Outcome, 'simulatedMs' | 'caught'>>;

async function wholeLives(): Promise<Live> {
  const { runLife }: typeof import('../../../src/simulation/life/life.ts') = await load('life/life.ts');
  return async (seed) => {
    const { failure, simulatedMs } = await runLife({ ...life, seed });
    if (failure === undefined) return { simulatedMs, caught: undefined };
    const { checker, message, atUs } = failure;
    return { simulatedMs, caught: { seed, checker, message, atMs: atUs / 1000 } };
  };
}

async function coreHistories(): Promise<Live> {
  const { liveJointChanges }: typeof import('../../../src/raft/testing/joint-changes.ts') = await load(
    '../raft/testing/joint-changes.ts',
  );
  return async (seed) => {
    const { broken } = liveJointChanges(seed);
    const caught = { seed, checker: 'joint-changes', message: broken ?? '', atMs: 0 };
    return { simulatedMs: 0, caught: broken === undefined ? undefined : caught };
  };
}

/** The seed also says which graph, and how it is cut. */
async function graphLives(members: 3 | 5): Promise<Live> {
  const {
    directedGraphs,
    liveGraph,
    undirectedGraphs,
  }: typeof import('../../../src/simulation/graphs/index.ts') = await load('graphs/index.ts');
  const all = members === 3 ? directedGraphs(3) : undirectedGraphs(members);
  return async (seed) => {
    const graph = all[seed % all.length] as (typeof all)[number];
    const by = Math.floor(seed / all.length) % 2 === 0 ? 'silence' : 'break';
    const { failure } = await liveGraph({ graph, seed, by });
    const simulatedMs = 0;
    if (failure === undefined) return { simulatedMs, caught: undefined };
    const message = `links ${graph.describe()}: ${failure}`;
    return { simulatedMs, caught: { seed, checker: 'link-graphs', message, atMs: 0 } };
  };
}

async function load<Module>(file: string): Promise<Module> {
  return await import(pathToFileURL(join(folder, 'src/simulation', file)).href);
}
