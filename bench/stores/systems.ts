/** By name, so that a process can be told which to run. What they need is loaded there alone. */
import type { OpenClient } from './client.ts';
import type { OurStore } from './clients/ours.ts';

const redisLocks = () => import('./clients/redis-locks.ts');

const others: Readonly<Record<string, () => Promise<OpenClient>>> = {
  'advisory-locks': async () => (await import('./clients/advisory-locks.ts')).advisoryLocks,
  'durable-row': async () => (await import('./clients/durable-row.ts')).durableRow,
  etcd3: async () => (await import('./clients/etcd3.ts')).etcd3,
  redlock: async () => (await redisLocks()).redlock,
  'redis-semaphore': async () => (await redisLocks()).redisSemaphore,
  verrou: async () => (await redisLocks()).verrou,
  'zookeeper-recipe': async () => (await import('./clients/zookeeper-recipe.ts')).zookeeperRecipe,
};

/** `system`: one of the above, or "conclave on" one of our stores, or "conclave bound on": by `releaseOnDisconnect`. */
export async function clientOf(system: string): Promise<OpenClient> {
  const other = others[system];
  if (other !== undefined) return await other();
  const store = system.replace(/^conclave (bound )?on /, '') as OurStore;
  return (await import('./clients/ours.ts')).ours(store, system.startsWith('conclave bound '));
}
