/** What the keeper writes, and divergence strikes: nobody else reads or writes there. */
export const keptPrefix = 'd/';
/** Written once: what lies in memory for long. */
export const restingKey = `${keptPrefix}rests`;
/** The keeper's leases are between these. They are never over within a life. */
export const firstKeptLease = 0x5300_0000_0000n;
export const keptLeaseLimit = 0x5400_0000_0000n;
export const keptLeaseTtlMs = 9_000_000;
