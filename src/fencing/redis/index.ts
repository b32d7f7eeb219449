/**
 * Keys of Redis that refuse a leader whose time is over.
 *
 * Guarantees: on one master, a key or what a fenced script writes is never written with a token below the highest
 * that has written under its fence. Not across a failover: Redis replicates asynchronously.
 *
 * Must not: check a token in one command and write in another; claim more than Redis keeps.
 */
export type { IoredisClient, NodeRedisClient, RedisClient } from './client.ts';
export {
  FencedKey,
  type FencedKeyOptions,
  fencedKey,
  type KeyCallOptions,
  type KeyDeleteOptions,
  type KeyUpdateOptions,
  type KeyVersion,
  type KeyWriteOptions,
  type KeyWritten,
} from './fenced-key.ts';
export {
  FencedScript,
  type FencedScriptOptions,
  fencedScript,
  type ScriptCallOptions,
} from './fenced-script.ts';
