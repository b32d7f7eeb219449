/**
 * What Conclave needs of the machine under it: clock, timers, randomness, disk and network.
 *
 * Guarantees: every other layer reaches the machine only through these interfaces, so the same code runs on the
 * real ones here and on virtual ones in tests and in the simulator. Failures are ConclaveErrors.
 *
 * Must not: know anything of Raft, of the store or of elections; import anything of ours but `errors`.
 */

export { outOfTime, type Validity } from './certificate-time.ts';
export { NodeNetwork } from './network.ts';
export { nodeRuntime } from './node.ts';
export { TlsIdentity, type TlsOptions } from './tls.ts';
export type {
  Address,
  Clock,
  CloseCause,
  Connection,
  Disk,
  File,
  KeyDerivation,
  Listener,
  Network,
  Random,
  Runtime,
  ScryptParameters,
  Timer,
  Timers,
} from './types.ts';
