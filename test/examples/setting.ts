import type { Checkout } from './checkout.ts';

/** What all examples run with; to be read within a test. */
export interface Setting {
  readonly checkout: Checkout;
  /** Of a cluster of three processes. */
  readonly endpoints: string;
  /** PostgreSQL; '' where it is missing. */
  readonly databaseUrl: string;
}

/** For each test of one example, so that one that hangs does not take the others along. */
export const patience = { timeout: 300_000 };
