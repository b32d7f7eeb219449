import { toBytes, toText } from '../../client/index.ts';
import type { ElectionState } from '../../election/store.ts';
import type { KeyValue } from '../../wire/index.ts';
import { type ElectionKeys, priorityOf, rankOf } from './keys.ts';

/** What stands in the leadership's key and in a place of the queue: JSON, so that any etcd tool shows it. */
export interface Holding {
  readonly holder: string;
  readonly metadata: string;
}

export function encodeHolding(holding: Holding): Uint8Array {
  return toBytes(JSON.stringify({ holder: holding.holder, metadata: holding.metadata }));
}

/** A value that somebody else wrote there is shown as it is. */
export function decodeHolding(value: Uint8Array): Holding {
  const text = toText(value);
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) {
      const { holder, metadata } = parsed as Record<string, unknown>;
      if (typeof holder === 'string')
        return { holder, metadata: typeof metadata === 'string' ? metadata : '' };
    }
  } catch {
    // Not ours: shown below.
  }
  return { holder: text, metadata: '' };
}

/** Negative where the place `a` leads before `b`: by priority, then by when they came. */
export function compareTurns(keys: ElectionKeys, a: KeyValue, b: KeyValue): number {
  const rankA = rankOf(keys, a.key);
  const rankB = rankOf(keys, b.key);
  return rankA < rankB ? -1 : rankA > rankB ? 1 : a.createRevision - b.createRevision;
}

/** `waiters` in any order. */
export function electionState(
  keys: ElectionKeys,
  leader: KeyValue | undefined,
  waiters: readonly KeyValue[],
  record: KeyValue | undefined,
  revision: number,
): ElectionState {
  const inOrder = [...waiters].sort((a, b) => compareTurns(keys, a, b));
  return {
    leader:
      leader === undefined ? undefined : { ...decodeHolding(leader.value), token: leader.createRevision },
    version: revision,
    waiting: inOrder.map((place) => ({
      ...decodeHolding(place.value),
      priority: priorityOf(keys, place.key),
    })),
    record: record?.value.slice(),
  };
}
