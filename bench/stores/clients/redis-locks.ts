/** Locks on Redis that users pick today, at their documented settings, without an end to their patience. */
import { createRequire } from 'node:module';
import { Verrou } from '@verrou/core';
import { redisStore } from '@verrou/core/drivers/redis';
import { Redis } from 'ioredis';
import { Mutex } from 'redis-semaphore';
import type { Held, OpenClient } from '../client.ts';

interface RedlockLock {
  extend(ttlMs: number): Promise<unknown>;
  unlock(): Promise<unknown>;
}

// It has no types.
const Redlock = createRequire(import.meta.url)('redlock') as new (
  clients: readonly Redis[],
  options: { readonly retryCount: number },
) => { lock(resource: string, ttlMs: number): Promise<RedlockLock> };

function connect(url: string): Redis {
  const client = new Redis(url);
  client.on('error', () => {});
  return client;
}

/** These two leave it to the user to extend a lock: every third of its time, as ours does. */
function extending(ttlMs: number, extend: () => Promise<unknown>, unlock: () => Promise<unknown>): Held {
  const timer = setInterval(() => void extend().catch(() => clearInterval(timer)), ttlMs / 3);
  return {
    async resign() {
      clearInterval(timer);
      await unlock();
    },
  };
}

export const redlock: OpenClient = async ({ url }) => {
  const client = connect(url);
  const locks = new Redlock([client], { retryCount: -1 });
  return {
    // 100 ms more or less.
    pollsEveryMs: 200,
    async campaign(election, ttlMs) {
      const lock = await locks.lock(`redlock:${election}`, ttlMs);
      const extend = () => lock.extend(ttlMs);
      const unlock = () => lock.unlock();
      return extending(ttlMs, extend, unlock);
    },
    async [Symbol.asyncDispose]() {
      client.disconnect();
    },
  };
};

export const redisSemaphore: OpenClient = async ({ url }) => {
  const client = connect(url);
  return {
    pollsEveryMs: 10,
    async campaign(election, ttlMs) {
      // It refreshes every 80 % of its time.
      const mutex = new Mutex(client, election, {
        lockTimeout: ttlMs,
        acquireTimeout: Number.POSITIVE_INFINITY,
        onLockLost: () => {},
      });
      await mutex.acquire();
      return { resign: () => mutex.release() };
    },
    async [Symbol.asyncDispose]() {
      client.disconnect();
    },
  };
};

export const verrou: OpenClient = async ({ url }) => {
  const client = connect(url);
  const driver = redisStore({ connection: client });
  const locks = new Verrou({ default: 'redis', stores: { redis: { driver } } });
  return {
    pollsEveryMs: 250,
    async campaign(election, ttlMs) {
      const lock = locks.createLock(`verrou:${election}`, ttlMs);
      await lock.acquire();
      const extend = () => lock.extend(ttlMs);
      const release = () => lock.release();
      return extending(ttlMs, extend, release);
    },
    async [Symbol.asyncDispose]() {
      client.disconnect();
    },
  };
};
