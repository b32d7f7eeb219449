/**
 * Many simulated lives on all cores of one machine.
 *
 * Guarantees: a seed's result does not depend on the thread that lives it, nor on how many there are; a life that
 * throws, breaks its thread or never ends is a failed life with its seed; what is kept does not grow with the seeds.
 *
 * Must not: look into lives, or judge them: that is for their checkers.
 */
export { type Block, type BlockOptions, liveBlock, mostFailures } from './block.ts';
export { LifePool, type PoolOptions } from './pool.ts';
