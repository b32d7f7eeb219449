/** What each command does to the state, and what comes of it: its outcome. */
import { applyAuthCommand } from './auth/index.ts';
import type { RangeTally } from './range-tally.ts';
import type { State } from './state.ts';
import type {
  Command,
  CommandFailure,
  CommandOutcome,
  SubmittedCommand,
  TxnRequest,
  TxnResult,
} from './types.ts';

export const failed = (failure: CommandFailure): CommandOutcome => ({ type: 'failed', failure });

export class Outcomes {
  private readonly state: State;
  private readonly beforeCompaction: (revision: number) => void;

  constructor(state: State, beforeCompaction: (revision: number) => void) {
    this.state = state;
    this.beforeCompaction = beforeCompaction;
  }

  /** Nothing refuses it to its author. */
  of(command: Command, { author }: SubmittedCommand, tally?: RangeTally): CommandOutcome {
    const { transactions, clients, alarms, timeMs } = this.state;
    const refusal = alarms.all.length === 0 ? undefined : alarms.refusal(command);
    if (refusal !== undefined) return failed(refusal);
    switch (command.type) {
      case 'put': {
        const result = transactions.put(command.request);
        return 'failed' in result ? failed(result.failed) : { type: 'put', result };
      }
      case 'deleteRange':
        return { type: 'deleteRange', result: transactions.deleteRange(command.request) };
      case 'txn': {
        const result = transactions.txn(command.request, tally);
        return 'failed' in result ? failed(result.failed) : { type: 'txn', result };
      }
      case 'txnSequence':
        return this.applySequence(command.requests, tally);
      case 'compact':
        return this.compact(command.revision);
      case 'tick':
        return { type: 'tick' };
      case 'alarm':
        return { type: 'alarm', alarms: alarms.change(command) };
      case 'registerClient':
        return { type: 'registerClient', incarnation: clients.register(command.name, timeMs, author?.user) };
      case 'auth':
      case 'authenticate':
      case 'extendToken':
        return applyAuthCommand(this.state.auth, command, timeMs);
      default:
        return this.applyLeaseCommand(command);
    }
  }

  private applyLeaseCommand(
    command: Extract<Command, { lease: bigint } | { leases: unknown }>,
  ): CommandOutcome {
    const { leases, timeMs } = this.state;
    switch (command.type) {
      case 'leaseGrant': {
        const { lease, ttlMs } = command;
        const failure = leases.grant(lease, ttlMs, timeMs);
        return failure === undefined ? { type: 'leaseGrant', lease, ttlMs } : failed(failure);
      }
      case 'leaseRevoke': {
        const lease = leases.get(command.lease);
        if (lease === undefined) return failed('lease-not-found');
        leases.end(lease);
        return { type: 'leaseRevoke' };
      }
      case 'leaseRenew':
        return { type: 'leaseRenew', ttlsMs: command.leases.map((id) => leases.renew(id, timeMs)) };
      case 'attach': {
        const attachment = leases.attach(command.lease, timeMs);
        return attachment === undefined ? failed('lease-not-found') : { type: 'attach', attachment };
      }
      case 'detach': {
        const current = leases.detach(command.lease, command.attachment, command.graceMs, timeMs);
        return { type: 'detach', current };
      }
    }
  }

  /** All or nothing where one fails: what came before it in the sequence is taken back. */
  private applySequence(requests: readonly TxnRequest[], tally?: RangeTally): CommandOutcome {
    const { store, transactions } = this.state;
    const mark = store.mark();
    const results: { result: TxnResult; revision: number }[] = [];
    for (const request of requests) {
      const result = transactions.txn(request, tally);
      if ('failed' in result) {
        store.rollBack(mark);
        return failed(result.failed);
      }
      results.push({ result, revision: store.revision });
      if (!result.succeeded) break;
    }
    return { type: 'txnSequence', results };
  }

  private compact(revision: number): CommandOutcome {
    const { store } = this.state;
    if (revision <= store.compactRevision) return failed('compacted');
    if (revision > store.revision) return failed('future-revision');
    this.beforeCompaction(revision);
    store.compactRevision = revision;
    return { type: 'compact' };
  }
}
