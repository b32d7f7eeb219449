import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Load, load } from '../rows/throughput.ts';
import { format } from '../statistics.ts';
import { onPath, System, type SystemMember } from '../systems.ts';
import { usage } from '../usage.ts';
import { type CpuProfile, stacksOf } from './cpu-profile.ts';
import { flameGraph } from './flame.ts';
import { type Share, sharesOf } from './stages.ts';

const page = new URL('../../docs/internals/performance.md', import.meta.url);
const pictures = new URL('../../docs/images/', import.meta.url);
const requests = ['put', 'range', 'serializable', 'swap'] as const;
/** Until code is compiled. */
const warmCount = 60_000;

interface Profiled {
  readonly leader: Side;
  readonly follower: Side;
  readonly perSecond: number;
}
interface Side {
  readonly microsEach: number;
  readonly shares: readonly Share[];
  readonly flame: string;
}

/**
 * `npm run bench -- --profile [put|range|serializable|swap] [--quick]`: three members under 8 × 32 requests, with V8's
 * sampling profiler on. Prints where a request's time goes at the leader and at a follower, and puts table and flame
 * graphs into docs/internals/performance.md and docs/images.
 */
export async function benchProfile(args: readonly string[], measuredOn: string): Promise<void> {
  const [request = 'put'] = args.filter((argument) => !argument.startsWith('--'));
  if (!isRequest(request)) throw new Error(`There is no profile of ${request}: ${requests.join(', ')}.`);
  if (!onPath('h2load')) throw new Error('Profiles are taken under h2load: install nghttp2-client.');
  const count = args.includes('--quick') ? 40_000 : 300_000;
  const profiled = await profile(request, count);
  const date = new Date().toISOString().slice(0, 10);
  const table = tableOf(request, profiled, `${date}, ${measuredOn}`);
  process.stdout.write(`${table}\n`);
  if (args.includes('--quick')) return;
  await writeFile(new URL(`profile-${request}-leader.svg`, pictures), profiled.leader.flame);
  await writeFile(new URL(`profile-${request}-follower.svg`, pictures), profiled.follower.flame);
  await writeInto(request, table);
}

function isRequest(text: string): text is (typeof requests)[number] {
  return (requests as readonly string[]).includes(text);
}

async function profile(request: Load['request'], count: number): Promise<Profiled> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-profile-'));
  try {
    const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=250'];
    const startMs = performance.now();
    await using system = await System.start('conclave', [], 3, undefined, flags);
    const leader = await system.healthy();
    const follower = system.members.find((member) => member !== leader) as SystemMember;
    const eight = { connections: 8, inFlight: 32 };
    if (request !== 'put') await load(leader, system.folder, { ...eight, request: 'put', count: 20_000 });
    await load(leader, system.folder, { ...eight, request, count: warmCount });
    const warmMs = performance.now() - startMs;
    const cpuMs = async () =>
      await Promise.all(
        [leader, follower].map(async (member) => (await usage(member.process.pid as number)).cpuMs),
      );
    const before = await cpuMs();
    const { perSecond } = await load(leader, system.folder, { ...eight, request, count });
    const spentMs = (await cpuMs()).map((now, at) => now - (before[at] as number));
    const sides: Side[] = [];
    for (const [position, member] of [leader, follower].entries()) {
      const { pid } = member.process;
      await system.end(member, 'SIGTERM');
      const name = (await readdir(folder)).find((one) => one.includes(`.${pid}.`));
      if (name === undefined) throw new Error(`${member.name} left no profile.`);
      const profile = JSON.parse(await readFile(join(folder, name), 'utf8')) as CpuProfile;
      const stacks = stacksOf(profile, warmMs);
      const role = position === 0 ? 'leader' : 'follower';
      const title = `${request}, 8 connections with 32 in flight each: the ${role}, time at work by caller`;
      const microsEach = ((spentMs[position] as number) * 1000) / count;
      sides.push({ microsEach, shares: sharesOf(stacks), flame: flameGraph(title, stacks) });
    }
    return { leader: sides[0] as Side, follower: sides[1] as Side, perSecond };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function tableOf(request: string, { leader, follower, perSecond }: Profiled, measured: string): string {
  const names = new Set([...leader.shares, ...follower.shares].map(({ stage }) => stage));
  const lines = [...names].map((name) => {
    const of = (side: Side) => side.shares.find(({ stage }) => stage === name);
    const cell = (side: Side) => {
      const share = of(side)?.share ?? 0;
      return `${format(share * side.microsEach)} µs, ${(share * 100).toFixed(0)} %`;
    };
    const what = of(leader)?.what ?? of(follower)?.what ?? '';
    return `| ${name}: ${what} | ${cell(leader)} | ${cell(follower)} |`;
  });
  return [
    `Measured ${measured}, profiler on: ${format(perSecond)} requests a second.`,
    '',
    `| ${request}: processor time of one request | leader | follower |`,
    '|---|---|---|',
    ...lines,
    `| **all** | **${format(leader.microsEach)} µs** | **${format(follower.microsEach)} µs** |`,
  ].join('\n');
}

async function writeInto(request: string, table: string): Promise<void> {
  const text = await readFile(page, 'utf8');
  const [begin, end] = [`<!-- profile of ${request} -->`, `<!-- end of profile of ${request} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) {
    process.stdout.write(`docs/internals/performance.md has no place for a profile of ${request}.\n`);
    return;
  }
  await writeFile(page, `${text.slice(0, from)}${begin}\n${table}\n${text.slice(to)}`);
}
