// What an administrator does to ZooKeeper, by another client than ours.
import { createRequire } from 'node:module';

interface Client {
  connect(): void;
  close(): void;
  once(event: 'connected', listener: () => void): void;
  create(path: string, data: Buffer, done: (error: unknown) => void): void;
  getData(path: string, done: (error: unknown, data: Buffer) => void): void;
  getChildren(path: string, done: (error: unknown, names: readonly string[]) => void): void;
  remove(path: string, version: number, done: (error: unknown) => void): void;
}

// It has no types.
const { createClient } = createRequire(import.meta.url)('node-zookeeper-client') as {
  createClient(servers: string): Client;
};

/** With everything below it. No error where it is not there. */
export function deleteAll(servers: string, path: string): Promise<void> {
  return asking(servers, (client, done) => {
    remove(client, path).then(() => done(undefined), done);
  });
}

async function remove(client: Client, path: string): Promise<void> {
  for (;;) {
    const children = await new Promise<readonly string[]>((resolve) => {
      client.getChildren(path, (error, names) => resolve(error ? [] : names));
    });
    for (const child of children) await remove(client, `${path}/${child}`);
    const error = await new Promise((resolve) => client.remove(path, -1, resolve));
    if (!error || /NO_NODE/.test(String(error))) return;
    // Somebody made another child meanwhile.
    if (!/NOT_EMPTY/.test(String(error))) throw error;
  }
}

export function putNode(servers: string, path: string, data: string): Promise<void> {
  return asking(servers, (client, done) => client.create(path, Buffer.from(data), (error) => done(error)));
}

export function dataAt(servers: string, path: string): Promise<string> {
  return asking(servers, (client, done) => client.getData(path, (error, data) => done(error, String(data))));
}

async function asking<T = void>(
  servers: string,
  ask: (client: Client, done: (error: unknown, value?: T) => void) => void,
): Promise<T> {
  const client = createClient(servers);
  const connected = new Promise<void>((resolve) => client.once('connected', resolve));
  client.connect();
  await connected;
  try {
    return await new Promise<T>((resolve, reject) => {
      ask(client, (error, value) => {
        if (error) reject(error);
        else resolve(value as T);
      });
    });
  } finally {
    client.close();
  }
}
