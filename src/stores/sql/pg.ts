/** The driver `pg`: its Pool, and connections of its kind to listen on. */
import type { Answer, SqlConnection, SqlPool, Statement } from './connections.ts';
import type { Listening, NotificationHandlers } from './notifications.ts';
import type { OwnConnection, OwnConnections } from './postgres-bonds.ts';
import { PreparedStatements } from './prepared.ts';

/** What is used of a client of `pg`. */
interface PgClient {
  readonly processID?: number | null;
  /** Not documented; the driver's own pool goes by it. */
  readonly connection?: { readonly stream?: { destroy(): unknown } };
  connect(): Promise<unknown>;
  query(query: { name?: string; text: string; values: unknown[]; rowMode: 'array' }): Promise<{
    rows: unknown[][];
    rowCount: number | null;
  }>;
  query(text: string): Promise<unknown>;
  on(event: string, listener: (argument: never) => void): unknown;
  removeListener(event: string, listener: (argument: never) => void): unknown;
  end(): Promise<void>;
  release(broken?: boolean): void;
}

export interface PgPool {
  readonly options?: Readonly<Record<string, unknown>>;
  readonly Client?: new (options: unknown) => PgClient;
  connect(): Promise<PgClient>;
  end(): Promise<void>;
  on(event: string, listener: (argument: never) => void): unknown;
}

/** The connections of a pool that are still being made: its `end` waits for them, also where nobody answers. */
export class PgConnecting {
  readonly #clients = new Set<PgClient>();

  /** To make the pool's connections with. */
  counting<Client extends new (options: never) => object>(Client: Client): Client {
    const clients = this.#clients;
    return new Proxy(Client, {
      construct(target, options, made) {
        const client: PgClient = Reflect.construct(target, options, made);
        clients.add(client);
        for (const event of ['connect', 'end']) client.on(event, () => clients.delete(client));
        return client;
      },
    });
  }

  giveUp(): void {
    for (const { connection } of this.#clients) connection?.stream?.destroy();
  }
}

/** `owned`: the pool is ours to end; of those that `connecting` knows it then waits for none. */
export function pgPool(
  pool: PgPool,
  owned: boolean,
  connecting = new PgConnecting(),
): SqlPool & Listening & OwnConnections {
  const prepared = owned ? new PreparedStatements() : undefined;
  return {
    own: () => own(pool),
    connect: async () => new PgConnection(await pool.connect(), prepared),
    listen: (channels, handlers) => listen(pool, channels, handlers),
    async [Symbol.asyncDispose]() {
      if (!owned) return;
      const ended = pool.end();
      connecting.giveUp();
      await ended;
    },
  };
}

class PgConnection implements SqlConnection {
  readonly #client: PgClient;
  readonly #prepared: PreparedStatements | undefined;
  #released = false;
  #broken = false;
  /** A client that is checked out and loses its connection would end the process otherwise. */
  readonly #onError = () => {
    this.#broken = true;
  };

  constructor(client: PgClient, prepared: PreparedStatements | undefined) {
    this.#client = client;
    this.#prepared = prepared;
    client.on('error', this.#onError);
  }

  async query({ text, values, recurs = false }: Statement): Promise<Answer> {
    const name = recurs ? await this.#prepared?.nameOn(this.#client, text) : undefined;
    const query = { text, values: [...values], rowMode: 'array' as const };
    try {
      return answerOf(await this.#client.query(name === undefined ? query : { name, ...query }));
    } catch (error) {
      if (name === undefined || !this.#prepared?.wasName(error)) throw error;
      return answerOf(await this.#client.query(query));
    }
  }

  release(broken: boolean): void {
    if (this.#released) return;
    this.#released = true;
    const drop = broken || this.#broken;
    // The listener for errors stays on what is thrown away.
    if (!drop) this.#client.removeListener('error', this.#onError);
    this.#client.release(drop);
  }
}

function answerOf({ rows, rowCount }: { rows: unknown[][]; rowCount: number | null }): Answer {
  return { rows, changed: rowCount ?? 0, inTransaction: false };
}

/** Made as the pool makes its own, and not counted among them. What waits here may take longer than the pool's queries. */
async function own({ Client, options }: PgPool): Promise<OwnConnection> {
  // A pool that does not show how it makes its connections: as if they came through a pooler.
  const client =
    typeof Client === 'function' && options !== undefined ? new Client(withoutTimeout(options)) : undefined;
  const gone = new AbortController();
  client?.on('error', () => gone.abort());
  client?.on('end', () => gone.abort());
  await client?.connect();
  return {
    processId: client?.processID ?? undefined,
    ended: gone.signal,
    query: async (text, values = []) =>
      (await client?.query({ text, values: [...values], rowMode: 'array' }))?.rows ?? [],
    end: async () => {
      gone.abort();
      await client?.end().catch(() => {});
    },
  };
}

/** The password is among what no spreading copies. */
function withoutTimeout(options: object): object {
  const fields = Object.getOwnPropertyDescriptors(options);
  return Object.defineProperties({}, { ...fields, query_timeout: { value: 0, enumerable: true } });
}

/** On a connection of its own, made as the pool makes its own; only where there is no other way one of the pool's. */
async function listen(
  pool: PgPool,
  channels: readonly string[],
  { onNotification, onEnd }: NotificationHandlers,
): Promise<AsyncDisposable> {
  const { Client, options } = pool;
  const own = typeof Client === 'function' && options !== undefined;
  const client = own ? new Client(options) : await pool.connect();
  let ended = false;
  const end = async (error?: unknown) => {
    if (ended) return;
    ended = true;
    onEnd(error ?? new Error('The connection that listens was closed.'));
    if (own) await client.end().catch(() => {});
    else client.release(true);
  };
  client.on('error', (error: unknown) => void end(error));
  client.on('end', () => void end());
  client.on('notification', ({ channel, payload = '' }: { channel: string; payload?: string }) =>
    onNotification(channel, payload),
  );
  try {
    if (own) await client.connect();
    await client.query(channels.map((channel) => `LISTEN "${channel}"`).join('; '));
  } catch (error) {
    await end(error);
    throw error;
  }
  return { [Symbol.asyncDispose]: () => end() };
}
