/**
 * Disks of simulated hosts, a folder that several hosts share, and what an omniscient observer reads from the
 * platters.
 *
 * Guarantees: what was synced survives the loss of power and everything else but rot, a wipe, or a read that goes
 * astray; what was not may be lost, torn and reordered. Reading a platter asks nothing of the member.
 *
 * Must not: decide when a fault happens.
 */

export { DamageRecord, type DamageView } from './damage.ts';
export { type DiskFaultCounts, DiskFaults } from './disk-faults.ts';
export { DurableReader, type DurableReaderOptions } from './durable-reader.ts';
export { SharedFolder } from './shared-folder.ts';
export { type Platter, type PlatterWatcher, type RotOptions, SimulatedDisk } from './simulated-disk.ts';
export { stuckDiskChecker } from './stuck-disk.ts';
