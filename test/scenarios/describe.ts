import type { Entry, PersistRequest, RaftEffects, RaftMessage, SnapshotMeta } from '../../src/raft/index.ts';

/** How the things of the core read in a scenario. */

export function describeEntry({ index, term, kind, data }: Entry): string {
  return `${index}/${term}${kind === 'command' ? ` "${new TextDecoder().decode(data)}"` : ` ${kind}`}`;
}

function describeEntries(entries: readonly Entry[]): string {
  return entries.length === 0 ? 'nothing' : entries.map(describeEntry).join(', ');
}

function describeSnapshot(snapshot: SnapshotMeta): string {
  return `snapshot ${snapshot.index}/${snapshot.term}`;
}

export function describeMessage(message: RaftMessage): string {
  return `${message.from}>${message.to} term ${message.term} ${message.type}${details(message)}`;
}

function details(message: RaftMessage): string {
  switch (message.type) {
    case 'pre-vote':
    case 'vote': {
      const flags = (message.transfer ? ' transfer' : '') + (message.hinted ? ' hinted' : '');
      return ` last ${message.lastIndex}/${message.lastTerm}${flags}`;
    }
    case 'pre-vote-response':
    case 'vote-response':
      return message.granted ? ' granted' : ' refused';
    case 'append': {
      const after = `${message.previousIndex}/${message.previousTerm}`;
      return ` after ${after}: ${describeEntries(message.entries)}; commit ${message.commitIndex}`;
    }
    case 'append-response': {
      if (message.accepted) return ` match ${message.matchIndex}`;
      return ` rejects ${message.matchIndex}, perhaps ${message.hintIndex}/${message.hintTerm}`;
    }
    case 'heartbeat':
      return ` commit ${message.commitIndex}${message.readContext > 0 ? ` read round ${message.readContext}` : ''}`;
    case 'heartbeat-response':
      return message.readContext > 0 ? ` read round ${message.readContext}` : '';
    case 'read-index-response':
      return message.ok ? ` index ${message.index}` : ' refused';
    default:
      return '';
  }
}

function describePersist({ hardState, snapshot, entries, mustSync }: PersistRequest): string {
  const parts: string[] = [];
  if (snapshot !== undefined)
    parts.push(describeSnapshot(snapshot.meta) + (snapshot.keepsLog ? ' before the log' : ''));
  if (entries.length > 0) parts.push(entries.map(describeEntry).join(', '));
  if (hardState !== undefined) {
    parts.push(`term ${hardState.term} vote ${hardState.votedFor || 'none'} commit ${hardState.commitIndex}`);
  }
  return `writes ${parts.join('; ')}${mustSync ? '' : ' (no sync)'}`;
}

/** What a reader wants to see even when messages and writes are not shown. */
export function describeOutcomes(effects: RaftEffects): string[] {
  const { state, transfer } = effects;
  const lines: string[] = [];
  if (state !== undefined) {
    const leader =
      state.role === 'leader' ? '' : state.leader === 0 ? ', no leader' : `, leader ${state.leader}`;
    lines.push(`is ${state.role} in term ${state.term}${leader}`);
  }
  for (const { proposalId, index, term } of effects.proposalsAccepted) {
    lines.push(`takes proposal ${proposalId} as ${index}/${term}`);
  }
  for (const { proposalId, reason } of effects.proposalsRejected)
    lines.push(`rejects proposal ${proposalId}: ${reason}`);
  if (effects.committed.length > 0) lines.push(`applies ${describeEntries(effects.committed)}`);
  for (const { readId, index } of effects.readsReady) lines.push(`answers read ${readId} at ${index}`);
  for (const { readId, reason } of effects.readsFailed) lines.push(`fails read ${readId}: ${reason}`);
  for (const { to } of effects.sendSnapshots) lines.push(`streams a snapshot to ${to}`);
  if (transfer !== undefined)
    lines.push(`${transfer.ok ? 'has handed' : 'could not hand'} over to ${transfer.target}`);
  return lines;
}

export function describeWrites({ persist }: RaftEffects): string[] {
  return persist === undefined ? [] : [describePersist(persist)];
}
