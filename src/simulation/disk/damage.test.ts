import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry } from '../../raft/types.ts';
import { DamageRecord, type DamageView } from './damage.ts';

interface Given {
  alive?: boolean;
  running?: boolean;
  term?: number;
  votedFor?: number;
  /** Terms of the entries from index 1 on. */
  log?: readonly number[];
  snapshotIndex?: number;
  refusal?: string | undefined;
}

function entry(index: number, term: number): Entry {
  return { index, term, kind: 'empty', data: new Uint8Array() };
}

/** Ids are 1, 2, 3…; the log is whole but for what a snapshot covers. */
function cluster(given: readonly Given[], committedTerms: readonly number[]) {
  const states = given.map((state) => ({ term: 3, votedFor: 1, log: [1, 2, 3], snapshotIndex: 0, ...state }));
  const committed = [...committedTerms];
  const members = states.map(
    (state, position): DamageView => ({
      memberId: position + 1,
      get alive() {
        return state.alive ?? false;
      },
      get running() {
        return state.running ?? false;
      },
      durable: {
        get refusal() {
          return state.refusal;
        },
        get term() {
          return state.term;
        },
        get votedFor() {
          return state.votedFor;
        },
        commitIndex: 0,
        snapshotIndex: state.snapshotIndex,
        snapshotTerm: state.log[state.snapshotIndex - 1] ?? 0,
        get lastIndex() {
          return state.log.length;
        },
        entryAt(index: number) {
          const term = index > state.snapshotIndex ? state.log[index - 1] : undefined;
          return term === undefined ? undefined : entry(index, term);
        },
      },
    }),
  );
  const record = new DamageRecord(members, {
    get lastIndex() {
      return committed.length;
    },
    entryAt: (index) => {
      const term = committed[index - 1];
      return term === undefined ? undefined : entry(index, term);
    },
    committedAtUs: () => 0,
  });
  return { states, committed, record };
}

const may = (given: readonly Given[], committed: readonly number[] = [1, 2]): boolean =>
  cluster(given, committed).record.mayHarm(2);

test('a member may be harmed when all others have what it has', () => {
  assert.equal(may([{}, {}, {}]), true);
  assert.equal(may([{ log: [1, 2, 3, 3] }, {}, { log: [1, 2] }]), true);
  assert.equal(may([{}, {}, { log: [] }]), true);
  assert.equal(may([{}, { log: [1, 2] }, {}]), false, 'one lacks the last entry');
  assert.equal(may([{}, { log: [1, 2, 2] }, {}]), false, 'one has another entry there');
});

test('a log that begins after its snapshot contains what is committed before', () => {
  const others = [{ snapshotIndex: 3, log: [1, 2, 3, 3] }, {}];
  assert.equal(may([...others, { log: [1, 2] }]), true);
  assert.equal(may([...others, { log: [1, 1] }]), false);
  assert.equal(may([...others, { log: [1, 2, 3], snapshotIndex: 2 }]), true);
});

test('no vote may be forgotten that could be given twice', () => {
  assert.equal(may([{ term: 2 }, {}, {}]), false, 'one could still ask for a vote of the term');
  assert.equal(
    may([{ votedFor: 1 }, { votedFor: 2 }, { votedFor: 1 }]),
    false,
    'the other is a candidate too',
  );
  assert.equal(may([{ votedFor: 1 }, { votedFor: 2 }, { votedFor: 0 }]), true, 'it gave no vote');
  assert.equal(
    may([{ votedFor: 1 }, { votedFor: 1 }, { votedFor: 1 }]),
    true,
    'its candidate may get it again',
  );
  assert.equal(
    may([{ votedFor: 3 }, { votedFor: 3 }, { votedFor: 3 }]),
    false,
    'it could lead the term twice',
  );
  assert.equal(may([{ term: 4, votedFor: 1 }, { term: 4, votedFor: 1 }, { votedFor: 3 }]), true);
});

test('one member is damaged at a time, while no process of it lives, and none of fewer than three', () => {
  assert.equal(may([{}, {}, { alive: true }]), false);
  assert.equal(cluster([{}, {}], []).record.mayHarm(1), false);
  const { record } = cluster([{}, {}, {}, {}, {}], [1, 2]);
  let harmed = 0;
  const harm = (position: number): boolean => record.harm(position, () => harmed++);
  assert.equal(harm(2), true);
  assert.equal(harm(0), false);
  assert.equal(harm(2), true, 'the same one may be harmed again');
  assert.deepEqual([harmed, record.harms, record.damaged(2), record.damaged(0)], [2, 2, true, false]);
});

test('it is whole again when it runs and has everything that was committed at the time', () => {
  const { record, states, committed } = cluster([{}, {}, {}], [1, 2]);
  const state = states[2];
  assert.ok(state);
  record.harm(2, () => {
    state.log = [];
  });
  committed.push(3, 3);
  state.log = [1, 2];
  record.review();
  assert.equal(record.damaged(2), true, 'it does not run');
  state.running = true;
  state.log = [1];
  record.review();
  assert.equal(record.damaged(2), true, 'it lacks an entry');
  state.log = [1, 2];
  record.review();
  assert.equal(record.damaged(2), false);
});

test('a damaged member that refuses to start may be replaced; one that was never harmed may not', () => {
  const { record, states } = cluster([{}, {}, {}], [1, 2]);
  const state = states[2];
  assert.ok(state);
  state.refusal = 'rot';
  assert.equal(record.mayHarm(2), false);
  state.refusal = undefined;
  record.harm(2, () => {
    state.refusal = 'rot';
  });
  state.running = true;
  record.review();
  assert.equal(record.damaged(2), true);
  assert.equal(record.mayHarm(2), true);
  state.refusal = undefined;
  assert.equal(record.mayHarm(2), true);
});
