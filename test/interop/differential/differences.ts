// Where our answers differ from etcd 3.4's on purpose. Nothing else may differ; docs/reference/etcd-compatibility.md
// tells them to users.
import type { Step } from './requests.ts';

/** One answer of both servers, or what one watch received from both, in their comparable form. */
export interface Pair {
  /** undefined: `theirs` and `ours` are lists of what a watch received. */
  readonly step: Step | undefined;
  readonly theirs: string;
  readonly ours: string;
  /** Revisions that the sequence compacted, as the answers tell them. */
  readonly compacted: ReadonlySet<string>;
}

export interface Difference {
  readonly name: string;
  readonly why: string;
  /** Whether this, and nothing else, makes the two differ. */
  explains(pair: Pair): boolean;
}

export const differences: readonly Difference[] = [
  {
    name: 'the shortest TTL is 1 s',
    why:
      'etcd raises a TTL to 1.5 election timeouts, 2 s by default, as its leases are not timed through the log. Ours ' +
      'are, to the millisecond.',
    explains({ step, theirs, ours }) {
      if (step?.call !== 'leaseGrant') return false;
      const asked = step.request.TTL as number;
      return asked <= 1 && ours.includes('"TTL":1') && theirs === ours.replace('"TTL":1', '"TTL":2');
    },
  },
  {
    name: 'a watch from the compacted revision sees the deletions made there',
    why:
      'etcd before 3.5.18 drops them while it compacts (etcd issue 19179), now and then before a watch that begins ' +
      'there has read them. The revision that is compacted is still readable, so we keep them, as etcd does today.',
    explains({ step, theirs, ours, compacted }) {
      if (step !== undefined) return false;
      const others = (received: string) =>
        (JSON.parse(received) as { type?: number; kv?: { modRevision: string } }[]).filter(
          ({ type, kv }) => !(type === 1 && compacted.has(kv?.modRevision ?? '')),
        );
      return JSON.stringify(others(theirs)) === JSON.stringify(others(ours));
    },
  },
];
