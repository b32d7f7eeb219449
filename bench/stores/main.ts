/**
 * `npm run bench -- stores [STORE…] [--trials N] [--write]`: an election on each store whose server is on this
 * machine, beside what users pick for that server today, in the same way. About six minutes with 12 trials each, the default.
 */
import { writeTable } from '../page.ts';
import { format, median } from '../statistics.ts';
import type { Where } from './client.ts';
import {
  type Figures,
  fasterThan,
  handOvers,
  type Idle,
  idle,
  type Kill,
  kill,
  type Seated,
  seat,
  warmUp,
} from './measures.ts';
import { type Competitor, competitors, type Place, places } from './places.ts';

const heading = [
  '| server | with | to lead, uncontended | `resign()` to the next one leading | SIGKILL to the next one leading | requests a minute, one leads and 10 wait |',
  '|---|---|---|---|---|---|',
];

interface Row {
  readonly place: Place;
  readonly competitor: Competitor;
  /** undefined: it failed, and why stands in `trouble`. */
  readonly figures: Figures | undefined;
  readonly trouble?: string | undefined;
  /** On the same server. */
  readonly ours: Figures | undefined;
  /** With a session that is bound to its connection, for those whose are. */
  readonly oursBound: Figures | undefined;
  idle?: Idle;
}

/** `build`: makes what members run from; called where it is needed. @throws Error for arguments that nothing knows. */
export async function benchStores(
  args: readonly string[],
  machine: string,
  build: () => void,
): Promise<void> {
  const { chosen, trials, write } = parsed(args);
  if (chosen.some(({ name }) => name === 'conclave')) build();
  const present = chosen.filter((place) => {
    const missing = place.missing();
    if (missing !== undefined) process.stderr.write(`${place.title} is left out: ${missing}\n`);
    return missing === undefined;
  });
  const versions = present.map((place) => place.version()).filter((version) => version !== '');
  const measured = [machine, ...versions].join(', ');
  const rows: Row[] = [];
  for (const place of present) rows.push(...(await measuredAt(place, trials)));
  process.stderr.write('Counting requests…\n');
  for (const one of await idle(present)) {
    const row = rows.find(({ place, competitor }) => place === one.place && competitor.system === one.system);
    if (row !== undefined) row.idle = one;
  }
  const lines = new Map(rows.map((row) => [beginning(row), line(row)]));
  process.stdout.write(`${[measured, '', ...heading, ...lines.values()].join('\n')}\n`);
  if (!write) return;
  const all = places.flatMap((place) =>
    competitors(place).map((competitor) => beginning({ place, competitor })),
  );
  await writeTable({ marker: 'stores', measured, heading, rows: all, lines });
}

function parsed(args: readonly string[]) {
  const names: string[] = [];
  let trials = 12;
  let write = false;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--trials') {
      at += 1;
      trials = Number(args[at]);
    } else if (arg === '--write') write = true;
    else names.push(arg);
  }
  const known = places.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`There is no ${unknown.join(', ')}; there are ${known.join(', ')}.`);
  if (!Number.isInteger(trials) || trials < 1) throw new Error('--trials takes a number of 1 or more.');
  const chosen = places.filter(({ name }) => names.length === 0 || names.includes(name));
  return { chosen, trials, write };
}

type Failed = (competitor: Competitor, error: unknown) => void;
type Attempt = <T>(competitor: Competitor, work: () => Promise<T>) => Promise<T | undefined>;

/** One that fails costs its row, not the run. */
async function measuredAt(place: Place, trials: number): Promise<Row[]> {
  await using server = await place.start();
  const where = server.where(server.ports);
  const all = competitors(place);
  const troubles = new Map<Competitor, string>();
  const failed: Failed = (competitor, error) => {
    const trouble = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${place.title}: ${competitor.title}: ${trouble}\n`);
    troubles.set(competitor, trouble);
  };
  const attempt: Attempt = async (competitor, work) => {
    process.stderr.write(`${place.title}: ${competitor.title}…\n`);
    try {
      return await work();
    } catch (error) {
      failed(competitor, error);
      return undefined;
    }
  };
  const { warmUpMs = 0 } = place;
  if (warmUpMs > 0) await warmUp(all, where, warmUpMs);
  const figures = await handedOver(all, where, trials, { attempt, failed });
  const [first] = figures.values();
  for (const [competitor, so] of figures) {
    if (troubles.has(competitor)) continue;
    const killed = await attempt(competitor, () => kill(competitor, where, trials, first?.minTtlMs ?? 1000));
    figures.set(competitor, { ...so, kill: killed });
  }
  const ours = figures.get(all[0] as Competitor);
  const bound = all.find(({ isOurs }) => isOurs);
  return all.map((competitor) => ({
    ...{ place, competitor, ours, trouble: troubles.get(competitor) },
    figures: troubles.has(competitor) ? undefined : figures.get(competitor),
    oursBound: competitor.connectionBound && bound ? figures.get(bound) : undefined,
  }));
}

/** All but what follows a SIGKILL. */
async function handedOver(
  all: readonly Competitor[],
  where: Where,
  trials: number,
  { attempt, failed }: { readonly attempt: Attempt; readonly failed: Failed },
): Promise<Map<Competitor, Figures>> {
  const seated: Seated[] = [];
  try {
    for (const competitor of all) {
      const one = await attempt(competitor, () => seat(competitor, where, trials));
      if (one !== undefined) seated.push(one);
    }
    process.stderr.write('All in turns…\n');
    const resigned = await handOvers(seated, trials, failed);
    return new Map(
      seated.map(({ competitor, once, ready }, at) => {
        const ledMs = once.map((one) => one.ledMs);
        const doneMs = once.map((one) => one.doneMs);
        return [competitor, { ledMs, doneMs, resignMs: resigned[at] ?? [], kill: undefined, ...ready }];
      }),
    );
  } finally {
    for (const one of seated) await one[Symbol.asyncDispose]();
  }
}

function beginning({ place, competitor }: Pick<Row, 'place' | 'competitor'>): string {
  return `| ${place.title} | ${competitor.title}`;
}

function line(row: Row): string {
  const { figures, ours, competitor } = row;
  if (figures === undefined) return `${beginning(row)} | could not be measured: ${row.trouble} | | | |`;
  const beside = figures === ours || competitor.isOurs ? undefined : ours;
  const cells = [
    `${format(median(figures.ledMs))} ms; with all that follows ${format(median(figures.doneMs))} ms`,
    `${format(median(figures.resignMs))} ms${looks(figures)}${remark(figures.resignMs, beside?.resignMs)}`,
    figures.kill === undefined
      ? competitor.staysForEver
        ? 'never: there is no TTL'
        : 'ends with its process'
      : killCell(figures.kill, competitor, beside && (row.oursBound ?? ours)?.kill?.figuresMs),
    row.idle === undefined ? '–' : format(row.idle.perMinute),
  ];
  return `${beginning(row)} | ${cells.join(' | ')} |`;
}

function killCell(
  { figuresMs, ttlMs, voids }: Kill,
  competitor: Competitor,
  ours?: readonly number[],
): string {
  const how = competitor.connectionBound
    ? 'by the end of its connection, no TTL'
    : `TTL ${ttlMs} ms${ttlMs === competitor.floorMs ? ', its smallest here' : ''}`;
  const lost = voids === 0 ? '' : `; ${voids} had lost it before`;
  if (figuresMs.length === 0) return `none left (${how}${lost})`;
  const worst = `${format(Math.max(...figuresMs))} ms worst of ${figuresMs.length}`;
  return `${format(median(figuresMs))} ms, ${worst} (${how}${lost})${remark(figuresMs, ours)}`;
}

function looks({ pollsEveryMs }: Figures): string {
  return pollsEveryMs === undefined ? '' : ` (looks every ${pollsEveryMs} ms)`;
}

/** Where another one is faster, that is to be seen at once. */
function remark(figures: readonly number[], ours: readonly number[] | undefined): string {
  return ours !== undefined && fasterThan(figures, ours) ? ' **faster than Conclave**' : '';
}
