/**
 * Commands out of a tape of numbers that a property test draws: small alphabets, so that things meet. The same tape
 * gives the same commands, and a shorter tape a part of them.
 */
import { alarmKinds } from '../alarms.ts';
import { finishHash } from '../bytes.ts';
import type {
  Command,
  CommandBatch,
  CommandIdentity,
  Compare,
  Operation,
  PutRequest,
  RangeRequest,
  SortOrder,
  SortTarget,
  SubmittedCommand,
  TxnRequest,
} from '../types.ts';
import { bytes, putRequest, rangeRequest } from './requests.ts';

export const someKeys = ['a', 'a\0', 'aa', 'ab', 'b', 'ba', 'c', 'ÿ'];
export const someLeases = [1n, 2n, -7n, 2n ** 62n];

export class Tape {
  private readonly seed: number;
  private readonly length: number;
  private at = 0;

  constructor(seed: number, length: number) {
    this.seed = seed;
    this.length = length;
  }

  get done(): boolean {
    return this.at >= this.length;
  }

  /** A whole number below `bound`; 0 at the end of the tape. */
  draw(bound: number): number {
    const number = this.done ? 0 : finishHash(Math.imul(this.seed, 0x9e3779b1) ^ finishHash(this.at));
    this.at++;
    return number % bound;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.draw(items.length)] as T;
  }

  chance(oneIn: number): boolean {
    return this.draw(oneIn) === oneIn - 1;
  }
}

/** What the generator may know of the store, to hit interesting numbers. */
export interface Surroundings {
  readonly revision: number;
  readonly compactRevision: number;
}

function rangeEnd(tape: Tape): Uint8Array {
  return bytes(tape.pick(['', '', 'b', 'c', '\0', 'zz', 'a', 'ab']));
}

function revisionNear(tape: Tape, around: Surroundings): number {
  return tape.pick([0, around.compactRevision, around.compactRevision + 1, around.revision - tape.draw(6)]);
}

function put(tape: Tape): PutRequest {
  return putRequest(tape.pick(someKeys), tape.pick(['', 'x', 'y', 'a longer value that lies in a slab']), {
    lease: tape.chance(3) ? tape.pick(someLeases) : 0n,
    prevKv: tape.chance(2),
    ignoreValue: tape.chance(9),
    ignoreLease: tape.chance(9),
  });
}

export function drawRange(tape: Tape, around: Surroundings): RangeRequest {
  return {
    ...rangeRequest(tape.pick([...someKeys, '\0'])),
    rangeEnd: rangeEnd(tape),
    limit: tape.pick([0, 0, 1, 2, 3, -1]),
    revision: tape.chance(3) ? revisionNear(tape, around) + tape.draw(2) : 0,
    sortOrder: tape.pick<SortOrder>(['none', 'none', 'ascend', 'descend']),
    sortTarget: tape.pick<SortTarget>(['key', 'version', 'create', 'mod', 'value']),
    keysOnly: tape.chance(4),
    countOnly: tape.chance(6),
    minModRevision: tape.chance(6) ? revisionNear(tape, around) : 0,
    maxModRevision: tape.chance(6) ? revisionNear(tape, around) : 0,
    minCreateRevision: tape.chance(6) ? revisionNear(tape, around) : 0,
    maxCreateRevision: tape.chance(6) ? revisionNear(tape, around) : 0,
  };
}

function compare(tape: Tape, around: Surroundings): Compare {
  const kind = tape.pick(['version', 'create', 'mod', 'value', 'lease'] as const);
  const base = {
    key: bytes(tape.pick(someKeys)),
    rangeEnd: rangeEnd(tape),
    result: tape.pick(['equal', 'not-equal', 'greater', 'less'] as const),
  };
  if (kind === 'value') return { ...base, target: { kind, value: bytes(tape.pick(['', 'x', 'y'])) } };
  if (kind === 'lease') return { ...base, target: { kind, lease: tape.pick([0n, ...someLeases]) } };
  const revision = kind === 'version' ? tape.draw(4) - 1 : revisionNear(tape, around);
  return { ...base, target: { kind, revision } };
}

function operations(tape: Tape, around: Surroundings, depth: number): Operation[] {
  const result: Operation[] = [];
  for (let count = tape.draw(4); count > 0; count--) {
    const type = tape.pick(['put', 'put', 'range', 'deleteRange', depth > 0 ? 'txn' : 'put'] as const);
    if (type === 'put') result.push({ type, request: put(tape) });
    else if (type === 'range') result.push({ type, request: drawRange(tape, around) });
    else if (type === 'txn') result.push({ type, request: drawTxn(tape, around, depth - 1) });
    else {
      const request = { key: bytes(tape.pick(someKeys)), rangeEnd: rangeEnd(tape), prevKv: tape.chance(2) };
      result.push({ type, request });
    }
  }
  return result;
}

export function drawTxn(tape: Tape, around: Surroundings, depth = 2): TxnRequest {
  const compares: Compare[] = [];
  for (let count = tape.draw(3); count > 0; count--) compares.push(compare(tape, around));
  return {
    compare: compares,
    success: operations(tape, around, depth),
    failure: operations(tape, around, depth),
  };
}

/** Users and roles have a test of their own. */
type Drawn = Exclude<Command['type'], 'auth' | 'authenticate' | 'extendToken'>;

const commandTypes: readonly Drawn[] = [
  'put',
  'put',
  'put',
  'deleteRange',
  'txn',
  'txn',
  'txnSequence',
  'compact',
  'leaseGrant',
  'leaseGrant',
  'leaseGrant',
  'leaseRevoke',
  'leaseRenew',
  'attach',
  'detach',
  'tick',
  'registerClient',
  'alarm',
];

export function drawCommand(tape: Tape, around: Surroundings): Command {
  const type = tape.pick(commandTypes);
  switch (type) {
    case 'put':
      return { type, request: put(tape) };
    case 'deleteRange':
      return {
        type,
        request: { key: bytes(tape.pick(someKeys)), rangeEnd: rangeEnd(tape), prevKv: tape.chance(2) },
      };
    case 'txn':
      return { type, request: drawTxn(tape, around) };
    case 'txnSequence':
      return { type, requests: [drawTxn(tape, around), drawTxn(tape, around, 1)] };
    case 'compact':
      return { type, revision: Math.max(0, around.revision + 1 - tape.draw(40)) };
    case 'leaseGrant':
      return {
        type,
        lease: tape.pick(someLeases),
        ttlMs: tape.chance(9) ? tape.pick([0, 9e12 + 1]) : tape.pick([1, 500, 900, 5000, 20_000, 9e12]),
      };
    case 'leaseRevoke':
    case 'attach':
      return { type, lease: tape.pick(someLeases) };
    case 'leaseRenew':
      return { type, leases: [tape.pick(someLeases), tape.pick(someLeases)] };
    case 'detach':
      return {
        type,
        lease: tape.pick(someLeases),
        attachment: tape.draw(4),
        graceMs: tape.pick([0, 100, 3000]),
      };
    case 'tick':
      return { type };
    case 'registerClient':
      return { type, name: tape.pick(['', 'client', 'π€😀']) };
    case 'alarm':
      // Few are raised, and most are soon gone: under an alarm little happens.
      return {
        type,
        raise: tape.chance(20),
        member: tape.pick([1n, 2n ** 64n - 1n]),
        kind: tape.pick(alarmKinds),
      };
  }
}

function identity(tape: Tape, around: Surroundings): CommandIdentity | undefined {
  if (!tape.chance(2)) return undefined;
  const floor = Math.max(0, around.revision - 5);
  return {
    incarnation: tape.chance(20) ? 99 : 1 + tape.draw(3),
    sequence: floor + tape.draw(12),
    acknowledgedBelow: floor + tape.draw(4),
  };
}

export function drawBatch(tape: Tape, around: Surroundings, fromMs: number): CommandBatch {
  const commands: SubmittedCommand[] = [];
  const timeMs = fromMs + tape.pick([0, 0, 1, 100, 500, 1000]);
  if (around.revision === 1) {
    for (const name of ['first', 'second', 'third']) {
      commands.push({ command: { type: 'registerClient', name }, identity: undefined });
    }
  }
  for (let count = tape.draw(4); count >= 0; count--) {
    commands.push({ command: drawCommand(tape, around), identity: identity(tape, around) });
  }
  return { timeMs, commands };
}
