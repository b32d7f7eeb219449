import type { MemberId, RaftMessage, RaftOptions } from '../../src/raft/index.ts';
import { ScriptedCluster } from './cluster.ts';

/**
 * A scenario is a text of blocks: comments (`#`), commands, a line `----`, and what they gave, up to an empty line.
 * Members are numbers; `1>2` is a direction, `1=2` both, `1` alone all that goes to or from it.
 *
 *   cluster 3 [lease-reads] [max-append-bytes=50]   makes members that are not started yet
 *   log 1 terms=1,1,2 term=3 [commit=1]             what a member that is not started has on disk
 *   start [1 2]         crash 1          restart 1
 *   tick 1              the clock goes to the next deadline of 1, and only 1 looks
 *   wait 50             the clock goes on, and nobody looks
 *   run 300             time passes, everybody ticks, messages arrive; only outcomes are shown
 *   deliver [1>2 ...]   until nothing more comes          drop [1>2 ...]
 *   cut 1>2 1=3         heal             disconnect 1 2 (1 notices)    connect 1 2
 *   propose 1 text      read 1 7         transfer 1 2     stall 1 500
 *   hold-disk 1         write 1 [n]      release-disk 1
 *   snapshot 1 [keep-from=3]             stream ok|broken
 *   status              applied
 */
export function runScript(text: string): string {
  const output: string[] = [];
  let cluster: ScriptedCluster | undefined;
  let proposals = 0;
  for (const block of text.trimEnd().split(/\n{2,}/)) {
    const input = block.split('\n----')[0] as string;
    const given = input.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const lines: string[] = [];
    for (const line of given) {
      const [command = '', ...words] = line.split(' ');
      if (command === 'cluster') {
        cluster = makeCluster(words);
        proposals = 0;
        continue;
      }
      if (cluster === undefined) throw new Error(`"${line}" comes before any cluster`);
      if (command === 'propose') proposals += 1;
      const execute = commands[command];
      if (execute === undefined) throw new Error(`there is no command "${command}"`);
      execute({ cluster, words, first: Number(words[0]), second: Number(words[1]), proposalId: proposals });
      cluster.check();
      lines.push(...cluster.takeLines());
    }
    output.push(
      given.length === 0 ? input : [input, '----', ...(lines.length === 0 ? ['ok'] : lines)].join('\n'),
    );
  }
  return `${output.join('\n\n')}\n`;
}

function makeCluster(words: readonly string[]): ScriptedCluster {
  const options: Record<string, unknown> = {};
  for (const word of words.slice(1)) {
    const [name = '', value] = word.split('=');
    const key = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    options[key] = value === undefined ? true : Number(value);
  }
  return new ScriptedCluster(Number(words[0]), options as Partial<RaftOptions>);
}

function named(words: readonly string[], name: string): string | undefined {
  return words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
}

function directions(words: readonly string[]): [MemberId, MemberId][] {
  return words.flatMap((word): [MemberId, MemberId][] => {
    const [left = 0, right = 0] = word.split(/[>=]/).map(Number);
    return word.includes('=')
      ? [
          [left, right],
          [right, left],
        ]
      : [[left, right]];
  });
}

function matcher(words: readonly string[]): (message: RaftMessage) => boolean {
  if (words.length === 0) return () => true;
  const single = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const pairs = directions(words.filter((word) => /[>=]/.test(word)));
  return ({ from, to }) =>
    single.includes(from) ||
    single.includes(to) ||
    pairs.some(([left, right]) => from === left && to === right);
}

interface Call {
  readonly cluster: ScriptedCluster;
  readonly words: readonly string[];
  /** The first two words, where they are members or numbers. */
  readonly first: number;
  readonly second: number;
  readonly proposalId: number;
}

const commands: Record<string, (call: Call) => void> = {
  log: ({ cluster, first, words }) => {
    const terms = (named(words, 'terms') ?? '').split(',').filter(Boolean).map(Number);
    cluster.setLog(first, terms, Number(named(words, 'term')), Number(named(words, 'commit') ?? 0));
  },
  start: ({ cluster, words }) =>
    cluster.start(words.length > 0 ? words.map(Number) : [...cluster.members.keys()]),
  restart: ({ cluster, first }) => cluster.start([first]),
  crash: ({ cluster, first }) => cluster.crash(first),
  tick: ({ cluster, first }) => cluster.tick(first),
  wait: ({ cluster, first }) => cluster.wait(first),
  run: ({ cluster, first }) => cluster.run(first),
  deliver: ({ cluster, words }) => cluster.deliver(matcher(words)),
  drop: ({ cluster, words }) => cluster.drop(matcher(words)),
  cut: ({ cluster, words }) => {
    for (const [from, to] of directions(words)) cluster.cut(from, to);
  },
  heal: ({ cluster }) => cluster.heal(),
  connect: ({ cluster, first, second }) =>
    cluster.member(first).step({ type: 'peer-connected', peer: second }),
  disconnect: ({ cluster, first, second }) =>
    cluster.member(first).step({ type: 'peer-disconnected', peer: second }),
  propose: ({ cluster, first, words, proposalId }) => {
    const data = new TextEncoder().encode(words.slice(1).join(' '));
    cluster.member(first).step({ type: 'propose', proposalId, data });
  },
  read: ({ cluster, first, second }) => cluster.read(first, second),
  transfer: ({ cluster, first, second }) => cluster.member(first).step({ type: 'transfer', target: second }),
  stall: ({ cluster, first, second }) => {
    cluster.wait(second);
    cluster.member(first).step({ type: 'stalled', stallMs: second });
  },
  'hold-disk': ({ cluster, first }) => {
    cluster.member(first).diskHeld = true;
  },
  write: ({ cluster, first, words }) => cluster.member(first).completeWrite(Number(words[1] ?? 1)),
  'release-disk': ({ cluster, first }) => {
    const member = cluster.member(first);
    member.diskHeld = false;
    member.completeWrite(member.disk.waiting.length);
  },
  snapshot: ({ cluster, first, words }) => {
    cluster.snapshot(first, Number(named(words, 'keep-from') ?? cluster.member(first).appliedIndex + 1));
  },
  stream: ({ cluster, words }) => cluster.endStream(words[0] === 'ok'),
  status: ({ cluster }) => cluster.describeMembers(),
  applied: ({ cluster }) => cluster.describeApplied(),
};
