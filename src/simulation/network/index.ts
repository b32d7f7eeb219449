/**
 * The network of a simulated world: what each process gets as `Runtime.network`, and the faults that can befall it.
 *
 * Guarantees: a connection delivers bytes in order and once, or ends with the cause that a real one would give; a
 * cut tells nobody; single Raft messages on connections to the peer port can be lost, repeated and overtaken, every
 * other frame stays reliable and in order.
 *
 * Must not: know what the programs mean by their bytes, beyond the head of a peer frame; use anything random but
 * its own draws.
 */

export { Breaks } from './breaks.ts';
export type { NetworkCounts } from './counts.ts';
export { Link, type LinkFaults, quietLink } from './link.ts';
export {
  type BreakOptions,
  SimulatedNetwork,
  type SimulatedNetworkOptions,
  type WaitTap,
  type WireTap,
} from './network.ts';
