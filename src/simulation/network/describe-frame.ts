import { decodeRaftMessage } from '../../member/peers/raft-codec.ts';
import type { WireFrame } from './frame-cutter.ts';

/** A Raft message in words, for people who read a trace. */
export function describeFrame(frame: WireFrame): string {
  const message = decodeRaftMessage(frame.group, frame.data, { start: frame.payloadStart, withData: false });
  const head = `${message.type} term ${message.term}`;
  switch (message.type) {
    case 'append': {
      const { previousIndex, previousTerm, commitIndex, entries } = message;
      return `${head}, ${entries.length} entries after ${previousIndex} (term ${previousTerm}), commit ${commitIndex}`;
    }
    case 'append-response':
      return `${head}, ${message.accepted ? `matches to ${message.matchIndex}` : `refused, hint ${message.hintIndex}`}`;
    case 'heartbeat':
      return `${head}, commit ${message.commitIndex}`;
    case 'vote':
    case 'pre-vote':
      return `${head}, last ${message.lastIndex} (term ${message.lastTerm})`;
    case 'vote-response':
    case 'pre-vote-response':
      return `${head}, ${message.granted ? 'granted' : 'refused'}`;
    default:
      return head;
  }
}
