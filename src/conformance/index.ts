/**
 * The suite that every `LeaseStore` must pass, for any test runner.
 *
 * Guarantees: driven by the store's declared capabilities, so what it declares is held against it; each case uses
 * names of its own, so all can run against one service, also at once. `faultyStore` breaks a store in named ways, and
 * `faultyDrivers` drivers of documents; the suite's own tests show that each of them is found.
 *
 * Must not: know any store, or look at a clock but the runtime's.
 */
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { connectionCases } from './cases/connections.ts';
import { documentNameCases } from './cases/document-names.ts';
import { documentOutageCases } from './cases/document-outages.ts';
import { documentTimeCases } from './cases/document-times.ts';
import { documentCases } from './cases/documents.ts';
import { exclusionCases } from './cases/exclusion.ts';
import { guardCases } from './cases/guards.ts';
import { handOffCases } from './cases/hand-off.ts';
import { hostCases } from './cases/hosts.ts';
import { observingCases } from './cases/observing.ts';
import { observingAllCases } from './cases/observing-all.ts';
import { serviceCases } from './cases/service.ts';
import { sessionCases } from './cases/sessions.ts';
import { successionCases } from './cases/succession.ts';
import { transactionCases } from './cases/transactions.ts';
import { waitingCases } from './cases/waiting.ts';
import { NotOffered } from './document-stage.ts';
import { type ConformanceCase, Disturbed, Stage } from './stage.ts';
import type { ConformanceTarget } from './target.ts';

export { type Fault, faults, faultyStore } from './faulty.ts';
export { type DriverFault, driverFaults, faultyDrivers } from './faulty-drivers.ts';
export type { ConformanceTarget } from './target.ts';
export { type LosableOperation, losingAnswers } from './wrapping.ts';

export interface ConformanceOptions {
  /**
   * For sessions that are to run out: a longer one takes longer, a shorter one is raised to the floor. Longer by itself
   * where this machine turns out to be too slow for it. Default 500.
   */
  readonly ttlMs?: number | undefined;
  /** How long to wait for what must happen. Twice the TTL is added. Default 10000. */
  readonly patienceMs?: number | undefined;
  readonly runtime?: Runtime | undefined;
}

export interface ConformanceTest {
  /** A sentence about behaviour. */
  readonly name: string;
  /** Rejects with what went wrong (an AssertionError where the store misbehaved). `skipped`: why it does not apply. */
  run(): Promise<{ readonly skipped?: string }>;
}

/**
 * Of a case whose short session ran out under it, since this machine stalled, or is slower than such a session lives: it
 * lives twice as long each time. And of one whose service did not answer, or not in time: a store may say so.
 */
const mostAttempts = 5;

const cases: readonly ConformanceCase[] = [
  ...exclusionCases,
  ...guardCases,
  ...waitingCases,
  ...handOffCases,
  ...successionCases,
  ...sessionCases,
  ...serviceCases,
  ...hostCases,
  ...observingCases,
  ...observingAllCases,
  ...transactionCases,
  ...connectionCases,
  ...documentCases,
  ...documentNameCases,
  ...documentTimeCases,
  ...documentOutageCases,
];

/**
 * The tests to register: `for (const { name, run } of conformanceTests(open)) test(name, async (context) => { const {
 * skipped } = await run(); if (skipped) context.skip(skipped); })`. `open` is called once for each.
 */
export function conformanceTests(
  open: () => Promise<ConformanceTarget>,
  options: ConformanceOptions = {},
): readonly ConformanceTest[] {
  const { ttlMs = 500, patienceMs = 10_000, runtime = nodeRuntime() } = options;
  return cases.map(({ name, skip, run }) => ({
    name,
    async run() {
      await using target = await open();
      const skipped = skip?.(target.store.capabilities, target);
      if (skipped !== undefined) return { skipped };
      for (let attempt = 1; ; attempt++) {
        await using stage = new Stage(target, runtime, { ttlMs, patienceMs, attempt });
        try {
          await run(stage);
          return {};
        } catch (error) {
          if (error instanceof NotOffered) return { skipped: error.what };
          const reason = error instanceof Disturbed ? error.reason : error;
          const isDisturbed = error instanceof Disturbed || (ConclaveError.is(error) && error.retryable);
          if (!isDisturbed || stage.isServiceDown || attempt === mostAttempts) throw reason;
        }
      }
    },
  }));
}
