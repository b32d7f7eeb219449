/** One figure each, of one system on one server that runs. */
import { median } from '../statistics.ts';
import { pause } from '../systems.ts';
import type { Where } from './client.ts';
import { type Competitor, competitors, type Place } from './places.ts';
import { Contenders } from './processes.ts';
import { CountingProxy } from './wire.ts';

/** Conclave's default. */
const usualTtlMs = 5000;
const warmUps = 100;

export interface Figures {
  readonly ledMs: readonly number[];
  readonly doneMs: readonly number[];
  readonly resignMs: readonly number[];
  readonly kill: Kill | undefined;
  readonly minTtlMs: number | undefined;
  readonly pollsEveryMs: number | undefined;
}

export interface Kill {
  readonly figuresMs: readonly number[];
  readonly ttlMs: number;
  /** Of elections whose leader lost them before it was killed. */
  readonly voids: number;
}

interface Seat {
  readonly contenders: Contenders;
  readonly client: number;
}

/** Otherwise who is measured first meets a server that is slower. */
export async function warmUp(
  all: readonly Competitor[],
  { url, servers = [url] }: Where,
  forMs: number,
): Promise<void> {
  const untilMs = performance.now() + forMs;
  const warming = all.flatMap(({ system }) =>
    servers.map(async (server, at) => {
      await using contenders = await Contenders.start(system, { url: server });
      const name = `used-${system.replaceAll(' ', '-')}-${at}`;
      while (performance.now() < untilMs) await contenders.lead('warm-up', name, usualTtlMs, warmUps);
    }),
  );
  await Promise.all(warming);
}

export async function measure(
  { system, floorMs = 0, staysForEver = false }: Competitor,
  where: Where,
  trials: number,
  minTtlMs: number | undefined,
): Promise<Figures> {
  const inOneProcess = where.url === '';
  // Those beside each other are connected to the same two.
  const at = (seat: number) => ({ ...where, url: where.servers?.[seat] ?? where.url });
  await using first = await Contenders.start(system, at(0), inOneProcess ? 2 : 1);
  await using second = inOneProcess ? undefined : await Contenders.start(system, at(1));
  await Promise.all(
    [first, ...(second ? [second] : [])].map((one, at) =>
      one.lead('warm-up', `warm-up-${system}-${at}`, usualTtlMs, warmUps),
    ),
  );
  const name = (what: string) => `${what}-${system.replaceAll(' ', '-')}`;
  const once = await first.lead('lead', name('once'), usualTtlMs, trials);
  const seats: [Seat, Seat] = [
    { contenders: first, client: 0 },
    { contenders: second ?? first, client: inOneProcess ? 1 : 0 },
  ];
  const resignMs = await handOvers(seats, name('resign'), trials);
  const ttlMs = Math.max(floorMs, minTtlMs ?? first.ready.minTtlMs ?? 1000);
  const kill =
    inOneProcess || staysForEver ? undefined : await killing(system, where, name('kill'), ttlMs, trials);
  const ledMs = once.map((one) => one.ledMs);
  const doneMs = once.map((one) => one.doneMs);
  return { ledMs, doneMs, resignMs, kill, ...first.ready };
}

/** From the call of the leader's `resign` until the other one leads, back and forth. */
async function handOvers(seats: readonly [Seat, Seat], election: string, trials: number): Promise<number[]> {
  const { pollsEveryMs = 0 } = seats[0].contenders.ready;
  let [leader, next] = seats;
  await leader.contenders.campaign(election, usualTtlMs, leader.client);
  const figures: number[] = [];
  while (figures.length < trials) {
    const waiting = next.contenders.campaign(election, usualTtlMs, next.client);
    waiting.catch(() => {});
    // Until the other one waits, and at any point between two of its looks.
    await pause(250 + Math.random() * Math.max(100, pollsEveryMs));
    const [calledNs, ledNs] = await Promise.all([leader.contenders.resign(election, leader.client), waiting]);
    // Otherwise the leader lost it on a machine that is too busy.
    if (ledNs > calledNs) figures.push(Number(ledNs - calledNs) / 1e6);
    [leader, next] = [next, leader];
  }
  await leader.contenders.resign(election, leader.client);
  return figures;
}

/** Several clients in one process that is killed, each with an election, a session and renewals of its own. */
async function killing(
  system: string,
  where: Where,
  election: string,
  ttlMs: number,
  trials: number,
): Promise<Kill> {
  const count = Math.max(4, Math.ceil(trials / 2));
  await using leaders = await Contenders.start(system, where, count);
  await using others = await Contenders.start(system, where, count);
  const each = Array.from({ length: count }, (_, at) => at);
  await others.lead('warm-up', `${election}-warm-up`, usualTtlMs, warmUps / 2);
  await Promise.all(
    each.map(async (at) => {
      // Their renewals are not in step.
      await pause((Math.random() * ttlMs) / 3);
      await leaders.campaign(`${election}-${at}`, ttlMs, at);
    }),
  );
  const led = each.map((at) => others.campaign(`${election}-${at}`, ttlMs, at));
  for (const one of led) one.catch(() => {});
  await pause(Math.max(1000, ttlMs) * (0.8 + Math.random() * 0.4));
  const killedNs = leaders.kill();
  const figures = (await Promise.all(led)).map((ledNs) => Number(ledNs - killedNs) / 1e6);
  const figuresMs = figures.filter((figure) => figure > 0);
  return { figuresMs, ttlMs, voids: count - figuresMs.length };
}

export interface Idle {
  readonly place: Place;
  readonly system: string;
  readonly perMinute: number;
}

const waiters = 10;
const settlingMs = 5000;
const windowMs = 30_000;

/** Requests of a leader and ten who wait, each with a connection of its own; of all systems during the same time. */
export async function idle(chosen: readonly Place[]): Promise<readonly Idle[]> {
  const opened: AsyncDisposable[] = [];
  try {
    const probing = chosen.map(async (place) => {
      try {
        return await probesAt(place, opened);
      } catch (error) {
        process.stderr.write(`${place.title}: requests are not counted: ${String(error)}\n`);
        return [];
      }
    });
    const probes = (await Promise.all(probing)).flat();
    await pause(settlingMs);
    const before = probes.map(({ requests }) => requests());
    await pause(windowMs);
    return probes.map(({ place, system, requests }, at) => ({
      ...{ place, system },
      perMinute: ((requests() - (before[at] ?? 0)) * 60_000) / windowMs,
    }));
  } finally {
    for (const one of opened.reverse()) await one[Symbol.asyncDispose]();
  }
}

interface Probe {
  readonly place: Place;
  readonly system: string;
  readonly requests: () => number;
}

async function probesAt(place: Place, opened: AsyncDisposable[]): Promise<readonly Probe[]> {
  const { protocol } = place;
  if (protocol === undefined) return [];
  const probes: Probe[] = [];
  const server = await place.start();
  opened.push(server);
  for (const { system } of competitors(place)) {
    const proxies = await Promise.all(server.ports.map((port) => CountingProxy.to(port, protocol)));
    opened.push(...proxies);
    const where = server.where(proxies.map(({ port }) => port));
    const contenders = await Contenders.start(system, where, waiters + 1);
    opened.push(contenders);
    // Ours may be there twice, on the same table.
    const election = `idle-${system.replaceAll(' ', '-')}`;
    await contenders.campaign(election, usualTtlMs, 0);
    for (let client = 1; client <= waiters; client++)
      contenders.campaign(election, usualTtlMs, client).catch(() => {});
    const requests = () => proxies.reduce((sum, proxy) => sum + proxy.requests, 0);
    probes.push({ place, system, requests });
  }
  return probes;
}

export function fasterThan(figures: readonly number[], ours: readonly number[]): boolean {
  return figures.length > 0 && median(figures) < median(ours);
}
