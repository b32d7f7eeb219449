/** Three workers on one schedule. One is killed after the charge and before its record, another one is paused there. */
import { join } from 'node:path';
import { Child } from '../shared/child.ts';
import { openCluster } from '../shared/cluster.ts';
import { startPayments } from './payments.ts';

const everyMs = Number(process.env.EVERY_MS ?? 1000);
const ticksWanted = 8;
const done = Promise.withResolvers<void>();
const cluster = await openCluster();
const workers = new Map<string, Child>();
/** Also those that were killed: what they told counts. */
const started: Child[] = [];
let paused: Child | undefined;
const harms = [kill, pause];

const payments = await startPayments(async (key, repeated) => {
  const tick = key.slice('charge/'.length);
  console.log(`payments charge ${payments.charges.get(key)} for ${tick}${repeated ? ', asked again' : ''}`);
  // Only when all workers are there, so that somebody else waits for this tick.
  if (!repeated && [...workers.values()].every((worker) => toldBefore(worker, tick))) {
    await harms.shift()?.(await runnerOf(tick));
  }
  if (harms.length === 0 && payments.charges.size >= ticksWanted) done.resolve();
});
for (const name of ['worker1', 'worker2', 'worker3']) start(name);

await done.promise;
console.log(`Waking ${paused?.name}.`);
paused?.signal('SIGCONT');
await Promise.all([...workers.values()].map((worker) => worker.wrote(/^watches the clock/)));
const lastTick = new Date(Math.ceil(Date.now() / everyMs) * everyMs).toISOString();
await Promise.all([...workers.values()].map((worker) => worker.wrote(new RegExp(`^${lastTick}: charge`))));
await Promise.all([...workers.values()].map((worker) => worker.stop()));
await payments.close();
await cluster.stop();

// A later tick may have been stopped in its middle.
const told = [...payments.charges.keys()]
  .map((key) => key.slice('charge/'.length))
  .filter((tick) => tick <= lastTick);
const times = told.map((tick) => Date.parse(tick)).sort();
const skipped = times.filter((time, at) => at > 0 && time !== (times[at - 1] ?? 0) + everyMs).length;
const lines = started.flatMap((worker) => worker.lines);
const outcomes = new Set(lines.filter((line) => told.some((tick) => line.startsWith(`${tick}: charge `))));
const ticks = new Set([...outcomes].map((line) => line.split(': ')[0]));
console.log(`${times.length} ticks, ${skipped} skipped, one charge for each`);
console.log(`${outcomes.size} outcomes of ${ticks.size} ticks, as all workers tell them`);
const all = outcomes.size === ticks.size && ticks.size === times.length;
process.exitCode = skipped === 0 && all ? 0 : 1;

function start(name: string): void {
  const environment = {
    CONCLAVE_ENDPOINTS: cluster.endpoints,
    PAYMENTS_URL: payments.url,
    EVERY_MS: String(everyMs),
  };
  const worker = new Child(name, join(import.meta.dirname, 'worker.ts'), { environment });
  workers.set(name, worker);
  started.push(worker);
}

async function kill(runner: Child): Promise<void> {
  console.log(`Killing ${runner.name}: its charge is made, and nobody knows.`);
  await runner.kill();
  start(runner.name);
}

async function pause(runner: Child): Promise<void> {
  console.log(`Pausing ${runner.name} at the same point.`);
  runner.signal('SIGSTOP');
  paused = runner;
}

/** Whether this worker has told the outcome of an earlier tick: then it comes to this one, too. */
function toldBefore(worker: Child, tick: string): boolean {
  return worker.lines.some((line) => line.includes(': charge ') && line < tick);
}

/** Who asked first for this tick. */
async function runnerOf(tick: string): Promise<Child> {
  const runs = new RegExp(`^runs ${tick}, attempt 1$`);
  return await Promise.any([...workers.values()].map(async (worker) => (await worker.wrote(runs)) && worker));
}
