import {
  type AuthChange,
  type Command,
  type CommandAuthor,
  type CommandIdentity,
  type CommandResult,
  decodeBatch,
  type TxnRequest,
} from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import type { LifeSight } from '../observation.ts';
import { firstLease, keyPrefix, leaseLimit, markPrefix } from './history.ts';
import { ModelKeyspace } from './model.ts';
import type { AuthModel } from './model-auth.ts';
import { type Applied, textOf } from './model-values.ts';

/** What the log made of one mutation of the workload. */
export interface Effect extends Applied {
  readonly tag: string;
  readonly index: number;
  /** When its entry was committed, true time. */
  readonly committedUs: number;
}

interface Place {
  readonly tag: string | undefined;
  readonly index: number;
  readonly committedUs: number;
  readonly author: CommandAuthor | undefined;
}

interface ClientResults {
  lastUsedMs: number;
  forgottenBelow: number;
  readonly results: Map<number, Applied>;
}

interface Renewal {
  readonly committedUs: number;
  readonly ttlMs: number;
}

const idleLimitMs = 24 * 60 * 60 * 1000;
const maxOutstanding = 1024;

/**
 * The committed log, applied to the model entry by entry as it is committed: the state of the whole cluster as far
 * as anybody has been told. Checkers of one life share one.
 */
export class Replay {
  readonly model = new ModelKeyspace();
  /** The last entry that was taken. */
  index = 0;
  /** How many of them have several commands of the workload. */
  sharedEntries = 0;
  /** By tag; the first where there are several, which checker 17 will not like. */
  readonly effects = new Map<string, Effect>();
  /** What stood of users and roles, and from when on. */
  readonly auths: { readonly fromUs: number; readonly auth: AuthModel }[] = [];
  /** When logins became void: of one user, or of all. */
  readonly voids: { readonly atUs: number; readonly user: string | undefined }[] = [];
  /** Leases and when they were renewed. */
  readonly renewals = new Map<bigint, Renewal[]>();
  /** Told of each effect that a mutation of the workload has, failures of commands not counted. */
  readonly onEffect: ((effect: Effect) => void)[] = [];
  readonly #life: Pick<LifeSight, 'nowUs' | 'committed'>;
  readonly #clients = new Map<number, ClientResults>();
  readonly #tags: (readonly (string | undefined)[] | undefined)[] = [undefined];

  constructor(life: Pick<LifeSight, 'nowUs' | 'committed'>) {
    this.#life = life;
  }

  /** The highest revision that is committed anywhere. */
  get revision(): number {
    return this.model.revision;
  }

  /** Takes the entry, and what was committed before it without our being told. Again: without effect. */
  committed(entry: Entry): void {
    while (this.index < entry.index - 1) {
      const missed = this.#life.committed.entryAt(this.index + 1);
      if (missed === undefined) throw new Error(`Nobody has committed entry ${this.index + 1}.`);
      this.#take(missed, this.#life.committed.committedAtUs(missed.index) ?? this.#life.nowUs);
    }
    if (entry.index === this.index + 1) this.#take(entry, this.#life.nowUs);
  }

  /** Of the commands of an entry that was taken, those of the workload; undefined: none of them is. */
  tagsAt(index: number): readonly (string | undefined)[] | undefined {
    return this.#tags[index];
  }

  #take(entry: Entry, committedUs: number): void {
    this.index = entry.index;
    this.#tags.push(undefined);
    if (entry.kind !== 'command' || entry.data.length === 0) return;
    const { timeMs, commands } = decodeBatch(entry.data);
    this.model.begin(timeMs);
    const tags = commands.map(({ command }) => tagOfCommand(command));
    const known = tags.reduce((count, tag) => (tag === undefined ? count : count + 1), 0);
    if (known > 0) this.#tags[entry.index] = tags;
    if (known > 1) this.sharedEntries += 1;
    commands.forEach(({ command, identity, author }, at) => {
      const place = { tag: tags[at], index: entry.index, committedUs, author };
      if (identity === undefined) this.#apply(command, place);
      else this.#applyOnce(command, identity, place);
    });
  }

  #applyOnce(command: Command, identity: CommandIdentity, place: Place): void {
    const { timeMs } = this.model;
    const client = this.#clients.get(identity.incarnation);
    if (client === undefined || timeMs - client.lastUsedMs > idleLimitMs) return;
    client.lastUsedMs = timeMs;
    const { results } = client;
    if (identity.acknowledgedBelow > client.forgottenBelow) this.#forget(client, identity.acknowledgedBelow);
    if (identity.sequence < client.forgottenBelow || results.has(identity.sequence)) return;
    const applied = this.#apply(command, place);
    if (applied.answer.type === 'failed' && applied.answer.refused) return;
    results.set(identity.sequence, applied);
    if (results.size > maxOutstanding) this.#forget(client, Math.min(...results.keys()) + 1);
  }

  #forget(client: ClientResults, below: number): void {
    client.forgottenBelow = below;
    for (const sequence of client.results.keys()) if (sequence < below) client.results.delete(sequence);
  }

  #apply(command: Command, place: Place): Applied {
    const answer = this.model.apply(command, place.author);
    if (command.type === 'auth' && answer.type !== 'failed') this.#authChanged(command.change, place);
    const { revision, timeMs } = this.model;
    const applied: Applied = { revision, answer };
    if (answer.type === 'register') {
      this.#clients.set(answer.incarnation, { lastUsedMs: timeMs, forgottenBelow: 0, results: new Map() });
    } else if (answer.type === 'renew' && command.type === 'leaseRenew') {
      command.leases.forEach((lease, at) => {
        this.#renewed(lease, { committedUs: place.committedUs, ttlMs: answer.ttlsMs[at] ?? 0 });
      });
    } else if (place.tag !== undefined) this.#effect(place.tag, applied, place);
    return applied;
  }

  #authChanged(change: AuthChange, { committedUs }: Place): void {
    this.auths.push({ fromUs: committedUs, auth: this.model.auth });
    if (change.kind === 'enable' || change.kind === 'disable')
      this.voids.push({ atUs: committedUs, user: undefined });
    if (change.kind === 'userChangePassword') this.voids.push({ atUs: committedUs, user: change.user });
  }

  #effect(tag: string, { revision, answer }: Applied, { index, committedUs }: Place): void {
    const effect: Effect = { tag, revision, answer, index, committedUs };
    // Refused under one incarnation, it may have been sent again under another.
    const before = this.effects.get(tag);
    if (before === undefined || before.answer.type === 'failed') this.effects.set(tag, effect);
    if (answer.type !== 'failed') for (const listener of this.onEffect) listener(effect);
  }

  #renewed(lease: bigint, renewal: Renewal): void {
    const all = this.renewals.get(lease);
    if (all === undefined) this.renewals.set(lease, [renewal]);
    else all.push(renewal);
  }
}

/** The tag that the mutation has in the history, if it is one of the workload. */
export function tagOfCommand(command: Command): string | undefined {
  switch (command.type) {
    case 'put':
      return ours(command.request.key) ? textOf(command.request.value) : undefined;
    case 'deleteRange':
      return ours(command.request.key) ? textOf(command.request.rangeEnd) : undefined;
    case 'txn': {
      const { compare } = command.request;
      const value = firstValue(command.request);
      if (value !== undefined) return value;
      for (const { key } of compare) {
        if (!ours(key)) return undefined;
        const text = textOf(key);
        if (text.startsWith(markPrefix)) return text;
      }
      return undefined;
    }
    case 'leaseGrant':
      return oursLease(command.lease) ? `grant ${command.lease}` : undefined;
    case 'leaseRevoke':
      return oursLease(command.lease) ? `revoke ${command.lease}` : undefined;
    case 'compact':
      return `compact ${command.revision}`;
    default:
      return undefined;
  }
}

function firstValue({ success, failure }: TxnRequest): string | undefined {
  for (const branch of [success, failure]) {
    for (const operation of branch) {
      if (operation.type === 'put' && ours(operation.request.key)) return textOf(operation.request.value);
      const within = operation.type === 'txn' ? firstValue(operation.request) : undefined;
      if (within !== undefined) return within;
    }
  }
  return undefined;
}

function ours(key: Uint8Array): boolean {
  for (let at = 0; at < keyPrefix.length; at++) if (key[at] !== keyPrefix.charCodeAt(at)) return false;
  return true;
}

function oursLease(lease: bigint): boolean {
  return lease >= firstLease && lease < leaseLimit;
}

/** Whether a result says that something was written, deleted, granted or compacted. */
export function tookEffect({ outcome }: CommandResult): boolean {
  switch (outcome.type) {
    case 'put':
    case 'compact':
    case 'leaseGrant':
    case 'leaseRevoke':
      return true;
    case 'deleteRange':
      return outcome.result.deleted > 0;
    case 'txn':
      return outcome.result.responses.some(
        ({ type, result }) => type === 'put' || (type === 'deleteRange' && result.deleted > 0),
      );
    default:
      return false;
  }
}
