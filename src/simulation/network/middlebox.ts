import type { End } from './end.ts';
import type { Fabric } from './fabric.ts';
import type { WireFrame } from './frame-cutter.ts';
import type { Link } from './link.ts';

/**
 * What becomes of a single Raft message on a connection between members: it may get lost, arrive twice or be
 * overtaken. True where it goes on in its place; `late` is called for what is to arrive later.
 */
export function staysInOrder(
  fabric: Fabric,
  from: End,
  link: Link,
  frame: WireFrame,
  late: (frame: WireFrame) => void,
): boolean {
  const { random, counts } = fabric;
  if (random.chance(link.lossRate)) {
    counts.raftMessagesLost += 1;
    fabric.noteFrame(from, frame, 'lost');
    return false;
  }
  if (random.chance(link.repeatRate)) {
    counts.raftMessagesRepeated += 1;
    fabric.noteFrame(from, frame, 'repeated');
    late(frame);
  }
  if (!random.chance(link.reorderRate)) return true;
  counts.raftMessagesOvertaken += 1;
  fabric.noteFrame(from, frame, 'overtaken');
  late(frame);
  return false;
}
