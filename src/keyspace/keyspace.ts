/** The state machine's surface: applies batches, answers reads, hands out watchers and snapshots. */
import type { Alarm } from './alarms.ts';
import { checkCommand } from './auth/index.ts';
import { BatchReader } from './batch-reader.ts';
import { beginAnew } from './begin-anew.ts';
import { emptyBytes } from './bytes.ts';
import type { Client } from './clients.ts';
import { decodeCommandResult, encodeCommandResult } from './codec-results.ts';
import { InvariantViolation } from './errors.ts';
import { failed, Outcomes } from './outcomes.ts';
import type { PartBounds } from './range-rest.ts';
import { RangeTally } from './range-tally.ts';
import { checkRevision, readRange } from './ranges.ts';
import { type Reach, reachOf } from './reach.ts';
import { StateSnapshot } from './snapshot-reader.ts';
import { StateBuilder } from './snapshot-writer.ts';
import { State } from './state.ts';
import type {
  AuthFailure,
  AuthReader,
  Command,
  CommandAuthor,
  CommandFailure,
  CommandOutcome,
  CommandResult,
  KeyspaceMachine,
  LeaseInfo,
  RangeRequest,
  RangeResult,
  RevisionHash,
  SnapshotReader,
  SnapshotWriter,
  SubmittedCommand,
  TxnRequest,
  Verification,
  Watcher,
  WatchRequest,
} from './types.ts';
import { StoreVerification } from './verification.ts';
import { WatchHub } from './watches.ts';

/** How many compacted records each apply drops, besides two for each command. */
const dropBudget = 2000;

/** For all commands whose results nobody wants and nobody keeps. */
const unneededRanges = new RangeTally('none');

const plainPutDone: CommandOutcome = { type: 'put', result: { prevKv: undefined } };

export class Keyspace implements KeyspaceMachine {
  private state = new State();
  private readonly hub = new WatchHub(this.state.store);
  private readonly snapshots = new Set<StateSnapshot>();
  private readonly commands = new BatchReader();
  private outcomes = this.outcomesOf(this.state);
  /** Watchers have been told of everything in history before this position. */
  private notifiedTo = 0;

  constructor() {
    this.listenToClients();
  }

  get appliedIndex(): number {
    return this.state.appliedIndex;
  }

  get keyCount(): number {
    return this.state.store.keys.count;
  }

  get revision(): number {
    return this.state.store.revision;
  }

  get compactRevision(): number {
    return this.state.store.compactRevision;
  }

  get timeMs(): number {
    return this.state.timeMs;
  }

  get leaseCount(): number {
    return this.state.leases.count;
  }

  get watcherCount(): number {
    return this.hub.count;
  }

  get sizeBytes(): number {
    return this.state.store.sizeBytes;
  }

  range(request: RangeRequest, bounds?: PartBounds): RangeResult | { readonly failed: CommandFailure } {
    const { store } = this.state;
    const failure = checkRevision(store, request.revision, store.revision);
    return failure === undefined ? readRange(store, request, undefined, bounds) : { failed: failure };
  }

  reach(request: TxnRequest, countTo?: number): Reach {
    return reachOf(this.state.store, request, countTo);
  }

  lease(id: bigint, withKeys: boolean): LeaseInfo | undefined {
    return this.state.leases.info(id, withKeys);
  }

  leases(): bigint[] {
    const ids: bigint[] = [];
    for (const lease of this.state.leases.all()) ids.push(lease.id);
    return ids;
  }

  alarms(): readonly Alarm[] {
    return this.state.alarms.all;
  }

  get auth(): AuthReader {
    return this.state.auth;
  }

  checkCommand(command: Command, author: CommandAuthor | undefined): AuthFailure | undefined {
    return this.state.auth.enabled ? checkCommand(this.state, command, author) : undefined;
  }

  clientOwner(incarnation: number): string | undefined {
    return this.state.clients.ownerOf(incarnation);
  }

  watch(request: WatchRequest, onReady: () => void): Watcher {
    return this.hub.watch(request, onReady);
  }

  nextDeadlineMs(exactBelowMs = Number.POSITIVE_INFINITY): number {
    return this.state.leases.earliestDeadline(exactBelowMs);
  }

  snapshot(): SnapshotReader {
    const snapshot = new StateSnapshot(this.state, (closed) => this.snapshots.delete(closed));
    this.snapshots.add(snapshot);
    return snapshot;
  }

  restore(): SnapshotWriter {
    return new StateBuilder((state) => {
      this.state = state;
      this.outcomes = this.outcomesOf(state);
      this.listenToClients();
      this.hub.moveTo(state.store);
    });
  }

  stateHash(): number {
    return this.state.hash();
  }

  apply(index: number, batch: Uint8Array, rangesWanted = true): readonly CommandResult[] {
    const { state } = this;
    if (!Number.isSafeInteger(index) || index <= state.appliedIndex) {
      throw new InvariantViolation(`Entry ${index} came after entry ${state.appliedIndex} was applied.`);
    }
    if (batch.length === 0) {
      state.appliedIndex = index;
      return [];
    }
    const { commands } = this;
    commands.read(batch);
    const { timeMs, count } = commands;
    if (timeMs < state.timeMs) {
      throw new InvariantViolation(
        `Entry ${index} is stamped ${timeMs} ms, but cluster time has reached ${state.timeMs} ms.`,
      );
    }
    state.appliedIndex = index;
    state.timeMs = timeMs;
    const { store } = state;
    this.notifiedTo = store.history.tail;
    for (const lease of state.leases.takeDue(timeMs)) state.leases.end(lease);
    state.clients.forgetIdle(timeMs);
    const results: CommandResult[] = [];
    for (let i = 0; i < count; i++) results.push(this.applyOne(commands, i, rangesWanted));
    commands.clear();
    this.notifyWatchers();
    store.dropCompacted(dropBudget + 2 * count);
    return results;
  }

  hashAt(revision: number): RevisionHash | { readonly failed: CommandFailure } {
    const { store } = this.state;
    const wanted = revision > 0 ? revision : store.revision;
    const failure = checkRevision(store, wanted, store.revision);
    if (failure !== undefined) return { failed: failure };
    return { hash: store.hash(wanted), revision: wanted, compactRevision: store.compactRevision };
  }

  verification(): Verification {
    return new StoreVerification(this.state.store);
  }

  tidy(): boolean {
    return this.state.store.tidy(dropBudget);
  }

  get compactionDone(): boolean {
    return this.state.store.compactionDone;
  }

  beginAnew(): void {
    beginAnew(this.state);
  }

  private outcomesOf(state: State): Outcomes {
    return new Outcomes(state, (revision) => {
      this.notifyWatchers();
      this.hub.keepUnread(revision);
    });
  }

  private listenToClients(): void {
    const { state } = this;
    state.clients.beforeChange = (client: Client) => {
      for (const snapshot of this.snapshots) if (snapshot.isOf(state)) snapshot.preserve(client);
    };
  }

  private applyOne(commands: BatchReader, number: number, rangesWanted: boolean): CommandResult {
    const { store, auth, alarms } = this.state;
    // Who may put, and whether there is room, is asked for a command as a whole.
    if (auth.enabled || alarms.all.length > 0 || !commands.selectPlain(number)) {
      return this.applySubmitted(commands.command(number), rangesWanted);
    }
    store.putPlain(commands);
    store.commit();
    return { outcome: plainPutDone, revision: store.revision };
  }

  private applySubmitted(submitted: SubmittedCommand, rangesWanted: boolean): CommandResult {
    const { store, clients, timeMs } = this.state;
    const { command, identity } = submitted;
    if (identity === undefined) {
      const tally = rangesWanted ? undefined : unneededRanges;
      const refused = this.checkCommand(command, submitted.author);
      const outcome = refused === undefined ? this.outcomes.of(command, submitted, tally) : failed(refused);
      return { outcome, revision: store.revision };
    }
    const admission = clients.admit(identity, timeMs);
    if (admission.type === 'refuse') return { outcome: failed(admission.failure), revision: store.revision };
    if (admission.type === 'repeat') return decodeCommandResult(admission.result);
    // What was applied before is answered as it was then; a refusal is not kept, so that it may be tried again.
    const refused = this.checkCommand(command, submitted.author);
    if (refused !== undefined) return { outcome: failed(refused), revision: store.revision };
    const tally = new RangeTally(rangesWanted ? 'answered' : 'kept');
    const outcome = this.outcomes.of(command, submitted, tally);
    const result: CommandResult = { revision: store.revision, outcome };
    const kept = tally.isTooMuchToKeep ? emptyBytes : encodeCommandResult(result);
    clients.keep(admission.client, identity.sequence, kept);
    return result;
  }

  private notifyWatchers(): void {
    this.hub.notifyFrom(this.notifiedTo);
    this.notifiedTo = this.state.store.history.tail;
  }
}
