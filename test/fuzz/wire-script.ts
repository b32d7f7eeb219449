import { frameFlags, frameTypes, preface, settingIds, settingsPayload } from '../../src/api/http2/frames.ts';
import { frameBytes, framed } from '../../src/api/http2/testing.ts';
import type { Draw } from '../../src/simulation/world/random.ts';
import { RandomHpack } from './random-hpack.ts';

export interface WireCall {
  readonly method: 'Echo' | 'Fail' | 'None' | 'Wait' | 'Many' | 'EchoAll';
  readonly messages: readonly Uint8Array[];
  /** Given up by its caller somewhere on its way. */
  readonly reset: boolean;
}

export interface WireScript {
  /** All that the client says, as one connection's bytes in pieces. */
  readonly pieces: readonly Uint8Array[];
  /** Of each call its stream. */
  readonly streams: readonly number[];
}

const nothing = new Uint8Array(0);
const { endHeaders, endStream, padded, priority } = frameFlags;

/** The bytes of these calls, said as oddly as the RFCs allow. */
export function wireScript(calls: readonly WireCall[], draw: Draw): WireScript {
  const hpack = new RandomHpack(draw);
  const frames: Uint8Array[] = [preface, frameBytes(frameTypes.settings, 0, 0, settingsOf(draw))];
  const streams: number[] = calls.map(() => 0);
  const left = calls.map((call, at) => ({ at, steps: stepsOf(call, draw) }));
  let next = 1;
  // Any order that keeps that of each call; streams have their numbers as they are opened.
  while (left.length > 0) {
    if (draw.chance(0.25)) frames.push(aside(draw, next));
    const from = draw.chance(0.6) ? left.length - 1 : draw.below(left.length);
    const { at, steps } = left[from] as (typeof left)[number];
    if (streams[at] === 0) {
      // Far apart or side by side: those between are closed by that.
      next += draw.chance(0.1) ? 2 * draw.between(1, 20) : 0;
      streams[at] = next;
      next += 2;
    }
    const step = steps.shift();
    if (step !== undefined) frames.push(...step(streams[at] as number, hpack));
    if (steps.length === 0) left.splice(from, 1);
  }
  return { pieces: cut(Buffer.concat(frames), draw), streams };
}

type Step = (stream: number, hpack: RandomHpack) => Uint8Array[];

function stepsOf(call: WireCall, draw: Draw): Step[] {
  const ending = draw.pick(['with the content', 'empty', 'trailers'] as const);
  const content = Buffer.concat(call.messages.map((message) => framed(message)));
  const steps: Step[] = [(stream, hpack) => headers(call, stream, hpack, draw)];
  let at = 0;
  do {
    const end = draw.chance(0.4) ? content.length : Math.min(content.length, at + draw.tailed(1, 60));
    const last = end === content.length && ending === 'with the content';
    const piece = content.subarray(at, end);
    steps.push((stream) => [data(piece, stream, last ? endStream : 0, draw)]);
    at = end;
  } while (at < content.length);
  if (ending === 'empty') steps.push((stream) => [data(nothing, stream, endStream, draw)]);
  if (ending === 'trailers') {
    steps.push((stream, hpack) => blockFrames(hpack.encode([['x-last', 'word']]), stream, endStream, draw));
  }
  if (!call.reset) return steps;
  const reset: Step = (stream) => [frameBytes(frameTypes.resetStream, 0, stream, Uint8Array.of(0, 0, 0, 8))];
  return [...steps.slice(0, draw.between(1, steps.length)), reset];
}

function headers({ method }: WireCall, stream: number, hpack: RandomHpack, draw: Draw): Uint8Array[] {
  const pseudo = draw.shuffled([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', `/t/${method}`],
    [':authority', draw.chance(0.8) ? 'localhost' : `host-${draw.below(100)}`],
  ] as const);
  const others = draw.shuffled([
    ['content-type', draw.pick(['application/grpc', 'application/grpc+proto'])],
    ['te', 'trailers'],
    ['user-agent', `fuzz/${draw.below(3)}`],
    ...Array.from(
      { length: draw.below(4) },
      () => [`x-${draw.below(5)}`, 'v'.repeat(draw.below(80))] as const,
    ),
  ] as const);
  const deadline = method === 'Wait' ? [['grpc-timeout', '50m'] as const] : [];
  return blockFrames(hpack.encode([...pseudo, ...others, ...deadline]), stream, 0, draw);
}

/** A header block in one frame or several, with padding and a priority or without. */
function blockFrames(block: Uint8Array, stream: number, flags: number, draw: Draw): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const count = draw.chance(0.7) ? 1 : draw.between(2, 6);
  for (let at = 0; at < count; at++) {
    const from = Math.floor((block.length * at) / count);
    pieces.push(block.subarray(from, Math.floor((block.length * (at + 1)) / count)));
  }
  const padding = draw.chance(0.2) ? draw.below(20) : undefined;
  const prioritized = draw.chance(0.2) ? Uint8Array.of(0, 0, 0, 0, draw.below(256)) : nothing;
  const first = Buffer.concat([
    Buffer.from(padding === undefined ? [] : [padding]),
    prioritized,
    pieces[0] ?? nothing,
    Buffer.alloc(padding ?? 0),
  ]);
  const more = (padding === undefined ? 0 : padded) | (prioritized.length > 0 ? priority : 0);
  return pieces.map((piece, at) => {
    const last = at === pieces.length - 1 ? endHeaders : 0;
    if (at > 0) return frameBytes(frameTypes.continuation, last, stream, piece);
    return frameBytes(frameTypes.headers, flags | more | last, stream, first);
  });
}

function data(piece: Uint8Array, stream: number, flags: number, draw: Draw): Uint8Array {
  if (!draw.chance(0.15)) return frameBytes(frameTypes.data, flags, stream, piece);
  const padding = draw.below(30);
  const content = Buffer.concat([Buffer.from([padding]), piece, Buffer.alloc(padding)]);
  return frameBytes(frameTypes.data, flags | padded, stream, content);
}

/** What has nothing to do with any call. */
function aside(draw: Draw, next: number): Uint8Array {
  const { ping, priority: prioritize, settings, windowUpdate } = frameTypes;
  const frames = [
    () => frameBytes(ping, 0, 0, draw.bytes(8)),
    () => frameBytes(prioritize, 0, next + 2 * draw.below(3), Uint8Array.of(0, 0, 0, 0, draw.below(256))),
    () => frameBytes(settings, 0, 0, settingsOf(draw)),
    () => frameBytes(windowUpdate, 0, 0, Uint8Array.of(0, 0, draw.below(256), draw.between(1, 255))),
    () => frameBytes(draw.between(0x20, 0xef), draw.below(256), draw.below(9), draw.bytes(draw.below(30))),
  ];
  return draw.pick(frames)();
}

function settingsOf(draw: Draw): Uint8Array {
  const all = [
    [settingIds.initialWindowSize, draw.pick([0, 1, 10, 1000, 65_535, 1_000_000])],
    [settingIds.maxFrameSize, draw.pick([16_384, 20_000, 100_000])],
    [settingIds.headerTableSize, draw.pick([0, 100, 4096, 65_536])],
    [settingIds.maxHeaderListSize, 1_000_000],
    [0x7a7a, draw.below(1000)],
  ] as const;
  return settingsPayload(all.filter(() => draw.chance(0.4)));
}

function cut(bytes: Uint8Array, draw: Draw): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const mean = draw.pick([1, 10, 100, 1000, 100_000]);
  // Not all of it byte by byte, which takes long.
  for (let at = 0; at < bytes.length; ) {
    const end = pieces.length > 300 ? bytes.length : at + draw.tailed(1, mean);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}
