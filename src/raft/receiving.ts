import type { Core } from './core.ts';
import { receivePreVote, receiveTimeoutNow, receiveVote, receiveVoteResponse } from './election.ts';
import { answerStaleLeader, receiveAppend, receiveHeartbeat } from './follower.ts';
import { receiveForwardedRead } from './reads.ts';
import { receiveAppendResponse, receiveHeartbeatResponse } from './replication.ts';
import { becomeFollower } from './roles.ts';
import type { RaftMessage } from './types.ts';

/**
 * Weighs the term of a message, and gives it to those whom its kind is for.
 *
 * Whoever sends it: who is a member by our log may be behind. A leader that we have not heard of is one, and a
 * candidate that asks for our vote counts it only if we vote by its own log (dissertation §4.1).
 */
export function receive(core: Core, message: RaftMessage): void {
  if (message.group !== core.options.groupId || message.to !== core.id || message.from === core.id) return;
  // Both decide for themselves what a term is worth that only a candidate tells.
  if (message.type === 'pre-vote') receivePreVote(core, message);
  else if (message.type === 'vote') receiveVote(core, message);
  else if (message.term < core.term) receiveStale(core, message);
  else receiveCurrent(core, message);
}

function receiveStale(core: Core, message: RaftMessage): void {
  if (message.type === 'append' || message.type === 'heartbeat') answerStaleLeader(core, message);
  else if (message.type === 'read-index') receiveForwardedRead(core, message);
}

function receiveCurrent(core: Core, message: RaftMessage): void {
  // A granted pre-vote carries the term that was asked about: nobody is in it yet.
  const isPromise = message.type === 'pre-vote-response' && message.granted;
  if (message.term > core.term && !isPromise) {
    const fromLeader =
      message.type === 'append' || message.type === 'heartbeat' || message.type === 'timeout-now';
    becomeFollower(core, message.term, fromLeader ? message.from : 0);
  }
  switch (message.type) {
    case 'append':
      receiveAppend(core, message);
      break;
    case 'append-response':
      receiveAppendResponse(core, message);
      break;
    case 'heartbeat':
      receiveHeartbeat(core, message);
      break;
    case 'heartbeat-response':
      receiveHeartbeatResponse(core, message);
      break;
    case 'pre-vote-response':
    case 'vote-response':
      receiveVoteResponse(core, message);
      break;
    case 'timeout-now':
      receiveTimeoutNow(core, message.from);
      break;
    case 'read-index':
      receiveForwardedRead(core, message);
      break;
    case 'read-index-response':
      core.forwardedReads.answered(core, message);
      break;
  }
}
