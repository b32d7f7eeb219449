/** Everything that is replicated, as one thing that a snapshot replaces at once. */
import { AlarmTable } from './alarms.ts';
import { AuthState } from './auth/index.ts';
import { finishHash, mixBigInt, mixHash, mixNumber } from './bytes.ts';
import { ClientTable } from './clients.ts';
import { LeaseTable } from './leases.ts';
import { Store } from './store.ts';
import { Transactions } from './transactions.ts';

export class State {
  readonly store = new Store();
  readonly leases = new LeaseTable(this.store);
  readonly clients = new ClientTable();
  readonly alarms = new AlarmTable();
  readonly auth = new AuthState();
  readonly transactions = new Transactions(this.store, this.leases);
  appliedIndex = 0;
  timeMs = 0;

  /**
   * Over all that can be read: the history since the compact revision, what was current at it, leases, users, clients.
   * Costs a walk over leases, clients, and what compaction has still to drop.
   */
  hash(): number {
    const { store } = this;
    let hash = mixNumber(0, this.appliedIndex);
    hash = mixNumber(hash, this.timeMs);
    hash = mixNumber(hash, store.revision);
    hash = mixNumber(hash, store.compactRevision);
    hash = mixHash(hash, store.hash());
    hash = mixHash(hash, this.hashOfLeases());
    hash = mixHash(hash, this.clients.hash());
    hash = mixHash(hash, this.auth.hash());
    return finishHash(this.alarms.all.length === 0 ? hash : mixHash(hash, this.alarms.hash()));
  }

  private hashOfLeases(): number {
    let sum = 0;
    for (const lease of this.leases.all()) {
      let hash = mixBigInt(0, lease.id);
      hash = mixNumber(hash, lease.ttlMs);
      hash = mixNumber(hash, lease.deadlineMs);
      hash = mixNumber(hash, lease.attachment);
      hash = mixHash(hash, lease.attached ? 1 : 0);
      sum = (sum + finishHash(mixNumber(hash, lease.keyCount))) >>> 0;
    }
    return sum;
  }
}
