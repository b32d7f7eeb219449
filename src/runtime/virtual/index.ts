/**
 * Pieces of virtual machines: the bytes and names of a disk that can lose what was not synced, operations that are made
 * to fail, and steps between which promises settle. The simulator's disks and those of the tests are made of them.
 *
 * Guarantees: what they do depends on their arguments alone.
 *
 * Must not: touch the machine, but for letting its loop turn.
 */
export { type DiskOperation, diskFull, type FailureOptions, Failures } from './failures.ts';
export { type CrashKeeps, type CrashRandom, MemoryFileData, type PlatterListener } from './file-data.ts';
export { ImmediateKeyDerivation } from './key-derivation.ts';
export { MemoryNames } from './names.ts';
export { runSteps } from './steps.ts';
