/** ZooKeeper's recipe for leader election by hand: an ephemeral sequential node each, which watches the one before. */
import { createRequire } from 'node:module';
import type { OpenClient } from '../client.ts';

type Done<T> = (error: Error | null, value: T) => void;

interface ZooKeeper {
  connect(): void;
  close(): void;
  once(event: 'connected', listener: () => void): void;
  mkdirp(path: string, done: Done<string>): void;
  create(path: string, data: Buffer, mode: number, done: Done<string>): void;
  remove(path: string, version: number, done: Done<void>): void;
  getChildren(path: string, done: Done<readonly string[]>): void;
  exists(path: string, watcher: () => void, done: Done<unknown>): void;
}

// It has no types.
const { createClient, CreateMode } = createRequire(import.meta.url)('node-zookeeper-client') as {
  createClient(servers: string, options: { readonly sessionTimeout: number }): ZooKeeper;
  readonly CreateMode: { readonly EPHEMERAL_SEQUENTIAL: number };
};

function answer<T>(call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));
}

async function waitForTurn(client: ZooKeeper, folder: string, own: string): Promise<void> {
  for (;;) {
    const names = [...(await answer<readonly string[]>((done) => client.getChildren(folder, done)))].sort();
    const before = names[names.indexOf(own.slice(folder.length + 1)) - 1];
    if (before === undefined) return;
    let changed: () => void = () => {};
    const gone = new Promise<void>((resolve) => {
      changed = resolve;
    });
    if (await answer((done) => client.exists(`${folder}/${before}`, changed, done))) await gone;
  }
}

export const zookeeperRecipe: OpenClient = async ({ url }) => {
  /** Their session is the connection's, and has its TTL. */
  const clients = new Map<number, Promise<ZooKeeper>>();
  const connect = async (sessionTimeout: number) => {
    const client = createClient(url, { sessionTimeout });
    const connected = new Promise<void>((resolve) => client.once('connected', resolve));
    client.connect();
    await connected;
    return client;
  };
  return {
    async campaign(election, ttlMs) {
      const connecting = clients.get(ttlMs) ?? connect(ttlMs);
      clients.set(ttlMs, connecting);
      const client = await connecting;
      const folder = `/recipe/${election}`;
      await answer<string>((done) => client.mkdirp(folder, done));
      const mode = CreateMode.EPHEMERAL_SEQUENTIAL;
      const own = await answer<string>((done) => client.create(`${folder}/n-`, Buffer.alloc(0), mode, done));
      await waitForTurn(client, folder, own);
      return { resign: () => answer<void>((done) => client.remove(own, -1, done)) };
    },
    async [Symbol.asyncDispose]() {
      for (const connecting of clients.values()) (await connecting).close();
    },
  };
};
