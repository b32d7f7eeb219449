/** One figure each, of one system on one server that runs. */
import { median } from '../statistics.ts';
import { pause } from '../systems.ts';
import type { Once, Where } from './client.ts';
import { type Competitor, competitors, type Place } from './places.ts';
import { Contenders, type Ready } from './processes.ts';
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

/** Two clients of one system, warmed up. */
export interface Seated extends AsyncDisposable {
  readonly competitor: Competitor;
  readonly seats: readonly [Seat, Seat];
  readonly once: readonly Once[];
  readonly ready: Ready;
}

export async function seat(competitor: Competitor, where: Where, trials: number): Promise<Seated> {
  const { system } = competitor;
  const inOneProcess = where.url === '';
  // Those beside each other are connected to the same two.
  const at = (number: number) => ({ ...where, url: where.servers?.[number] ?? where.url });
  const first = await Contenders.start(system, at(0), inOneProcess ? 2 : 1);
  const second = inOneProcess ? undefined : await Contenders.start(system, at(1));
  const all = [first, ...(second ? [second] : [])];
  await Promise.all(
    all.map((one, number) => one.lead('warm-up', `warm-up-${system}-${number}`, usualTtlMs, warmUps)),
  );
  return {
    ...{ competitor, ready: first.ready },
    once: await first.lead('lead', nameOf('once', system), usualTtlMs, trials),
    seats: [
      { contenders: first, client: 0 },
      { contenders: second ?? first, client: inOneProcess ? 1 : 0 },
    ],
    async [Symbol.asyncDispose]() {
      for (const one of all) await one[Symbol.asyncDispose]();
    },
  };
}

/**
 * From the call of the leader's `resign` until the other one leads, back and forth; of all systems in turns, since the
 * server and the machine are not the same from one minute to the next. One that fails has no more turns.
 */
export async function handOvers(
  seated: readonly Seated[],
  trials: number,
  onFailed: (competitor: Competitor, error: unknown) => void,
): Promise<readonly (readonly number[])[]> {
  const pairs = seated.map(({ competitor, seats: [leader, next], ready }): Pair => {
    const election = nameOf('resign', competitor.system);
    return { competitor, election, leader, next, pollsEveryMs: ready.pollsEveryMs ?? 0, figures: [] };
  });
  const inTurns = async (all: readonly Pair[], work: (pair: Pair) => Promise<unknown>): Promise<Pair[]> => {
    const left: Pair[] = [];
    for (const pair of all) {
      try {
        await work(pair);
        left.push(pair);
      } catch (error) {
        onFailed(pair.competitor, error);
      }
    }
    return left;
  };
  let left = await inTurns(pairs, ({ leader, election }) =>
    leader.contenders.campaign(election, usualTtlMs, leader.client),
  );
  while (left.some(({ figures }) => figures.length < trials)) left = await inTurns(left, handOver);
  await inTurns(left, ({ leader, election }) => leader.contenders.resign(election, leader.client));
  return pairs.map(({ figures }) => figures);
}

interface Pair {
  readonly competitor: Competitor;
  readonly election: string;
  leader: Seat;
  next: Seat;
  readonly pollsEveryMs: number;
  readonly figures: number[];
}

async function handOver(pair: Pair): Promise<void> {
  const { election, leader, next, pollsEveryMs, figures } = pair;
  const waiting = next.contenders.campaign(election, usualTtlMs, next.client);
  waiting.catch(() => {});
  // Until the other one waits, and at any point between two of its looks.
  await pause(250 + Math.random() * Math.max(100, pollsEveryMs));
  const [calledNs, ledNs] = await Promise.all([leader.contenders.resign(election, leader.client), waiting]);
  // Otherwise the leader lost it on a machine that is too busy.
  if (ledNs > calledNs) figures.push(Number(ledNs - calledNs) / 1e6);
  pair.leader = next;
  pair.next = leader;
}

export async function kill(
  { system, floorMs = 0, staysForEver = false }: Competitor,
  where: Where,
  trials: number,
  minTtlMs: number,
): Promise<Kill | undefined> {
  if (where.url === '' || staysForEver) return undefined;
  return await killing(system, where, nameOf('kill', system), Math.max(floorMs, minTtlMs), trials);
}

function nameOf(what: string, system: string): string {
  return `${what}-${system.replaceAll(' ', '-')}`;
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
      // They die at any point between two of their renewals, which come once in a TTL at the least.
      await pause(Math.random() * ttlMs);
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
