/** What the suite is run against. */
import type { LeaseStore } from '../election/store.ts';
import type { Runtime } from '../runtime/types.ts';
import type { DocumentDriver } from '../stores/documents/driver.ts';

export interface ConformanceTarget extends AsyncDisposable {
  readonly store: LeaseStore;
  /** Another client of the same service, so that the two share nothing in this process; the suite disposes it. */
  another?(): Promise<LeaseStore>;
  /** For a store of `documentStore`: another driver, as `another` makes it, so that it is tried alone; the suite opens and disposes it. */
  driver?(): DocumentDriver | Promise<DocumentDriver>;
  /** Another client, on a machine with these clocks and timers; the suite disposes it. */
  anotherOn?(runtime: Runtime): Promise<LeaseStore>;
  /** Deletes what the service holds of this election, as a careless administrator would; not what tokens come from. */
  deleteRecords?(name: string): Promise<void>;
  /** Ends the service, with all its members; what it confirmed stays on its disks. */
  stopService?(): Promise<void>;
  /** Resolves when it answers again, where it answered before. */
  startService?(): Promise<void>;
  /** How many requests the store has sent to its service until now. */
  requests?(): number;
  /** Lets this much time pass; default: it passes by itself. */
  passTime?(ms: number): Promise<void>;
  /** Breaks the connections of this holder's sessions as the death of its process would. */
  breakConnection?(holder: string): void | Promise<void>;
  /** Lets them connect again. */
  restoreConnection?(holder: string): void | Promise<void>;
  /** The next such call is carried out, but its answer lost: it fails with outcome 'unknown'. */
  loseNextAnswer?(operation: 'acquire' | 'release' | 'transfer'): void;
}
