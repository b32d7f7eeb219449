import {
  type Command,
  type CommandAuthor,
  type CommandIdentity,
  encodeBatch,
  Keyspace,
  type SubmittedCommand,
  type TxnRequest,
} from '../../../keyspace/index.ts';
import type { Entry } from '../../../raft/index.ts';
import { type Checker, type MemberSight, Violation } from '../../observation.ts';
import { type WorkloadCheckerOptions, workloadCheckers } from '../checkers.ts';
import { type Answer, type Call, History, type Operation, type Pair } from '../history.ts';
import { bytesOf } from '../model-values.ts';
import { TestingLife } from '../testing.ts';

/** For tests of checkers: a history and a log written by hand, with a real keyspace as the only member. */
export class CheckerBench {
  readonly life = new TestingLife();
  readonly history = new History(() => this.life.nowUs);
  readonly checkers: readonly Checker[];
  keyspace = new Keyspace();
  term = 1;
  #index = 0;

  constructor(options: WorkloadCheckerOptions = {}) {
    this.checkers = workloadCheckers(this.life, this.history, options);
    const bench = this;
    this.life.members.push({
      ...{ name: 'm1', position: 0, memberId: 1, running: true },
      get keyspace() {
        return bench.keyspace;
      },
    } as unknown as MemberSight);
  }

  get sight(): MemberSight {
    return { name: 'm1', position: 0, memberId: 1, keyspace: this.keyspace } as unknown as MemberSight;
  }

  /** Commits and applies one command; `identity` as [incarnation, sequence]. Time goes on by 10 ms. */
  commit(
    command: Command,
    options: { identity?: readonly [number, number]; timeMs?: number; author?: CommandAuthor } = {},
  ): number {
    this.life.nowUs += 10_000;
    const [incarnation, sequence] = options.identity ?? [0, 0];
    const identity: CommandIdentity | undefined =
      incarnation === 0 ? undefined : { incarnation, sequence, acknowledgedBelow: 0 };
    const submitted: SubmittedCommand = { command, identity, author: options.author };
    const timeMs = options.timeMs ?? this.life.nowUs / 1000;
    const data = encodeBatch({ timeMs, commands: [submitted] });
    const entry: Entry = { index: ++this.#index, term: this.term, kind: 'command', data };
    this.life.commit(entry);
    for (const checker of this.checkers) checker.committed?.(entry, this.sight);
    const results = this.keyspace.apply(entry.index, data);
    for (const checker of this.checkers) checker.applied?.(this.sight, entry, results);
    return this.keyspace.revision;
  }

  ask(call: Call): Operation {
    this.life.nowUs += 1000;
    return this.history.invoke('client-1.1', call);
  }

  answer(operation: Operation, answer: Answer): void {
    this.life.nowUs += 1000;
    this.history.succeeded(operation, answer);
  }

  /** The claim that is broken, by the checker's name; undefined: none. */
  verdict(): string | undefined {
    try {
      for (const checker of this.checkers) checker.settled?.();
      for (const checker of this.checkers) checker.ended?.();
      return undefined;
    } catch (error) {
      return nameOf(error);
    }
  }

  /** Asks for a put, commits it and answers it well. */
  put(key: string, value: string): Pair {
    const operation = this.ask(putCall(key, value));
    const mod = this.commit(putCommand(key, value));
    this.answer(operation, { type: 'put', previous: undefined, revision: mod });
    return { key, value, create: mod, mod, version: 1, lease: 0n };
  }

  read(key: string, pairs: readonly Pair[], revision: number): void {
    const operation = this.ask({ type: 'range', key, end: '', serializable: false });
    this.answer(operation, { type: 'range', pairs, count: pairs.length, more: false, revision });
  }
}

export function nameOf(error: unknown): string {
  if (error instanceof Violation) return error.checker;
  throw error;
}

export function putCall(key: string, value: string): Call {
  return { type: 'put', key, value, lease: 0n, prevKv: false };
}

export function putCommand(key: string, value: string, lease = 0n): Command & { type: 'put' } {
  const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
  return { type: 'put', request: { key: bytesOf(key), value: bytesOf(value), lease, ...flags } };
}

export function deleteCommand(key: string, end: string): Command {
  return { type: 'deleteRange', request: { key: bytesOf(key), rangeEnd: bytesOf(end), prevKv: false } };
}

/** Puts the value where the key is absent. */
export function createCommand(key: string, value: string): Command & { request: TxnRequest } {
  const compare = {
    key: bytesOf(key),
    rangeEnd: bytesOf(''),
    result: 'equal',
    target: { kind: 'create', revision: 0 },
  } as const;
  return { type: 'txn', request: { compare: [compare], success: [putCommand(key, value)], failure: [] } };
}
