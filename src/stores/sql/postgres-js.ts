/** The driver `postgres`: it has a pool of its own inside, and a connection to listen on that it makes anew itself. */
import type { Answer, SqlConnection, SqlPool } from './connections.ts';
import type { Listening, NotificationHandlers } from './notifications.ts';

interface PendingRows extends Promise<unknown> {
  values(): PendingRows;
}

export interface PostgresJs {
  readonly options?: { readonly prepare?: boolean };
  unsafe(text: string, values: unknown[], options: { readonly prepare: boolean }): PendingRows;
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onListen: () => void,
  ): Promise<{ unlisten(): Promise<unknown> }>;
  end(options: { readonly timeout: number }): Promise<void>;
}

/** `owned`: `sql` is ours to end. */
export function postgresJsPool(sql: PostgresJs, owned: boolean): SqlPool & Listening {
  // Unprepared, each statement costs a round trip more; whoever goes through a pooler has turned preparing off.
  const prepare = sql.options?.prepare === true;
  const connection: SqlConnection = {
    async query({ text, values }): Promise<Answer> {
      const rows = (await sql.unsafe(text, [...values], { prepare }).values()) as Iterable<unknown[]> & {
        readonly count?: number | null;
      };
      return { rows: Array.from(rows), changed: rows.count ?? 0, inTransaction: false };
    },
    // The driver drops broken connections itself, and gives none away.
    release: () => {},
  };
  const channels = new ListenedChannels(sql);
  return {
    connect: async () => connection,
    listen: (names, handlers) => channels.listen(names, handlers),
    async [Symbol.asyncDispose]() {
      if (owned) await sql.end({ timeout: 1 });
      else await channels.close();
    },
  };
}

/** Each channel is asked for once: the driver listens again by itself, and gets stuck where asked while it cannot. */
class ListenedChannels {
  readonly #sql: PostgresJs;
  readonly #channels = new Map<string, Promise<{ unlisten(): Promise<unknown> } | undefined>>();
  readonly #handlers = new Set<NotificationHandlers>();

  constructor(sql: PostgresJs) {
    this.#sql = sql;
  }

  async listen(channels: readonly string[], handlers: NotificationHandlers): Promise<AsyncDisposable> {
    this.#handlers.add(handlers);
    // What fails here is tried again by the driver, and seen by the probe of who listens.
    await Promise.all(channels.map((channel) => this.#channel(channel)));
    return {
      [Symbol.asyncDispose]: async () => {
        this.#handlers.delete(handlers);
      },
    };
  }

  async close(): Promise<void> {
    this.#handlers.clear();
    for (const listening of this.#channels.values()) await (await listening)?.unlisten().catch(() => {});
  }

  async #channel(channel: string): Promise<unknown> {
    let listening = this.#channels.get(channel);
    if (listening === undefined) {
      const onNotify = (payload: string) => {
        for (const { onNotification } of this.#handlers) onNotification(channel, payload);
      };
      const onListen = () => {
        for (const { onGap } of this.#handlers) onGap();
      };
      listening = this.#sql.listen(channel, onNotify, onListen).catch(() => undefined);
      this.#channels.set(channel, listening);
    }
    return await listening;
  }
}
