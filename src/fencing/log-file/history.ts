/**
 * Which frames of a log file count: the one rule that writers and readers share.
 *
 * The file only ever grows, by appends (O_APPEND) of whole frames. POSIX puts each append behind all that precede it,
 * so the bytes below a size that was once seen never change, and all processes see the same frames in the same order.
 * Whether a frame counts depends on the frames before it alone:
 *
 *   it names the number and the digest of the accepted frame before it, and its token is no lower than that one's.
 *
 * So every reader comes to the same verdict on every frame, at any time, for good; and so does its writer, who reads
 * back what precedes its frame in the file before it says that the append succeeded. A leader that was paused between
 * looking and appending finds another frame in its place: its own names a predecessor that is no longer the last, and
 * counts for nobody. Of several that append after the same predecessor, the first in the file counts. No clock, no lock
 * and no lease is in this argument, and there is nothing that a crash could leave behind.
 *
 * What was cut off by a crash is passed over: a marker is the beginning of a frame and is nowhere within one (see
 * `encodeFrame`), so a marker inside what a frame should cover says that its writer died and will not go on. Bytes at
 * the end that are no whole frame may be one that is being written, and are left for later.
 *
 * Why an accepted frame is not lost when the host crashes: it counts for its writer when the file is synced. Before a
 * writer puts a frame behind one that it did not sync itself, it syncs. So a frame on the disk proves that its
 * predecessor is there, unless the disk lost it; a frame whose predecessor is missing is damage, and is reported as such
 * rather than skipped.
 */
import { digestBytes, type FoundFrame, type Frame } from './frame.ts';

export interface History {
  /** Of the last accepted frame; 0: there is none. */
  readonly index: number;
  readonly digest: Uint8Array;
  readonly token: number;
  readonly election: string;
  /** Of the last accepted record; 0: there is none. */
  readonly sequence: number;
}

export const emptyHistory: History = {
  index: 0,
  digest: new Uint8Array(digestBytes),
  token: 0,
  election: '',
  sequence: 0,
};

/**
 * `passed-over`: its place was taken before. `gap`: a frame that was accepted is missing before it, for nobody writes
 * a frame with a number without having seen all before it.
 */
export type Verdict = 'accepted' | 'passed-over' | 'gap';

export function judge(history: History, frame: Frame): Verdict {
  if (frame.index <= history.index) return 'passed-over';
  if (frame.index > history.index + 1 || !same(frame.previous, history.digest)) return 'gap';
  if (frame.sequence !== history.sequence + 1) return 'gap';
  const foreign = history.election !== '' && frame.election !== '' && history.election !== frame.election;
  return frame.token < history.token || foreign ? 'passed-over' : 'accepted';
}

/** After a frame that was accepted. */
export function extend(history: History, frame: FoundFrame): History {
  return {
    index: frame.index,
    digest: frame.digest,
    token: frame.token,
    election: frame.election || history.election,
    sequence: history.sequence + frame.records.length,
  };
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, position) => byte === other[position]);
}
