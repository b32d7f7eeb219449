import type { Frame, Stack } from './cpu-profile.ts';

/**
 * Where a request's time goes, by the innermost frame that belongs to a stage. What Node and V8 do themselves counts
 * for whoever called them.
 */
const stages: readonly (readonly [name: string, what: string, belongs: (frame: Frame) => boolean])[] = [
  ['garbage collection', 'V8 frees what requests leave behind', ({ name }) => name === '(garbage collector)'],
  ['snapshot', 'the state is written beside the load', ({ file }) => /snapshot/.test(file)],
  ['decode', 'bytes become a request', ({ name, file }) => isWire(file) && /^(#?decode|read)/i.test(name)],
  ['encode', 'an answer becomes bytes', ({ file }) => isWire(file)],
  [
    'write',
    'answers leave, one write for each connection and turn',
    ({ file }) => file === 'api/http2/output.js',
  ],
  ['replicate', 'frames to and from the other members, and the Raft core', ({ file }) => isReplication(file)],
  ['persist', 'the log: records, checksum, one write and sync for each batch', ({ file }) => isLog(file)],
  ['apply', 'entries change the keyspace', ({ name, file }) => /^keyspace\//.test(file) && !isProposal(name)],
  ['read', 'sockets, HTTP/2 frames, headers, the call itself', ({ file }) => /^api\/http2\//.test(file)],
  [
    'propose',
    'checks, the batch, and who waits for what',
    ({ file }) => /^(api|member|collections|keyspace)\//.test(file),
  ],
  [
    'turns of the loop',
    'timers, microtasks, callbacks of Node',
    ({ file }) => /^(node:|runtime\/)/.test(file),
  ],
];
const rest = ['other', 'V8 and Node outside of any of these'] as const;

function isWire(file: string): boolean {
  return /^(wire\/|@bufbuild\/|api\/http2\/wire-writer)/.test(file);
}

function isReplication(file: string): boolean {
  return /^(raft\/|member\/peers\/|runtime\/connection)/.test(file);
}

function isLog(file: string): boolean {
  return /^(member\/log\/|member\/persist-queue|runtime\/disk)/.test(file);
}

function isProposal(name: string): boolean {
  return /^(encode|write|moveInto|finish|raw|bytes|varint)/.test(name);
}

export interface Share {
  readonly stage: string;
  readonly what: string;
  /** Of the time at work, 0 to 1. */
  readonly share: number;
}

/** All stages that took any time, the largest first. */
export function sharesOf(stacks: ReadonlyMap<Stack, number>): Share[] {
  const micros = new Map<string, number>();
  let all = 0;
  for (const [stack, spent] of stacks) {
    const stage = stageOf(stack);
    micros.set(stage, (micros.get(stage) ?? 0) + spent);
    all += spent;
  }
  const known = [...stages.map(([stage, what]) => ({ stage, what })), { stage: rest[0], what: rest[1] }];
  return known
    .map(({ stage, what }) => ({ stage, what, share: (micros.get(stage) ?? 0) / all }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share);
}

function stageOf(stack: Stack): string {
  for (let at = stack.length - 1; at >= 0; at--) {
    const frame = stack[at] as Frame;
    // What Node does counts for the caller; only where there is none it is a stage of its own.
    const isNode = frame.file === '' || frame.file.startsWith('node:') || frame.file === 'runtime/node.js';
    if (isNode && frame.name !== '(garbage collector)') continue;
    const found = stages.find(([, , belongs]) => belongs(frame));
    if (found !== undefined) return found[0];
  }
  return stack.some(({ file }) => file.startsWith('node:')) ? 'turns of the loop' : rest[0];
}
