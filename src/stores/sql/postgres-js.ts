/** The driver `postgres`: it has a pool of its own inside, and a connection to listen on that it makes anew itself. */
import type { Answer, SqlConnection, SqlPool, Statement } from './connections.ts';
import { errorFields } from './failures.ts';
import type { Listening, NotificationHandlers } from './notifications.ts';

interface PendingRows extends Promise<unknown> {
  values(): PendingRows;
}

export interface PostgresJs {
  readonly options?: { readonly prepare?: boolean };
  unsafe(text: string, values: unknown[], options: { readonly prepare: boolean }): PendingRows;
  readonly listen: {
    (
      channel: string,
      onNotify: (payload: string) => void,
      onListen: () => void,
    ): Promise<{ unlisten(): Promise<unknown> }>;
    /** Not documented. */
    readonly channels?: Record<string, { listeners: { readonly fn: unknown }[] }>;
  };
  end(options: { readonly timeout: number }): Promise<void>;
}

/** Another one like it, with these options besides. */
export type MakePostgresJs = (more: object) => PostgresJs;

/** `make`: where `sql` is ours to end. */
export function postgresJsPool(sql: PostgresJs, make?: MakePostgresJs): SqlPool & Listening {
  if (make !== undefined) {
    const pool = new OwnPool(sql, make);
    return {
      connect: async () => new PostgresJsConnection(pool.sql, (used) => pool.replace(used)),
      listen: (names, handlers) => listenAlone(make, names, handlers),
      [Symbol.asyncDispose]: () => pool.end(),
    };
  }
  const channels = new ListenedChannels(sql);
  return {
    connect: async () => new PostgresJsConnection(sql, () => {}),
    listen: (names, handlers) => channels.listen(names, handlers),
    [Symbol.asyncDispose]: () => channels.close(),
  };
}

/** The driver drops connections that broke itself, and gives none away. */
class PostgresJsConnection implements SqlConnection {
  readonly #sql: PostgresJs;
  readonly #onWrong: (sql: PostgresJs) => void;
  #wasAnswered = false;

  /** `onWrong`: a connection of it lives, and is of no use. */
  constructor(sql: PostgresJs, onWrong: (sql: PostgresJs) => void) {
    this.#sql = sql;
    this.#onWrong = onWrong;
  }

  async query({ text, values }: Statement): Promise<Answer> {
    // Unprepared, each statement costs a round trip more; whoever goes through a pooler has turned preparing off.
    const prepare = this.#sql.options?.prepare === true;
    try {
      const answer = await this.#sql.unsafe(text, [...values], { prepare }).values();
      this.#wasAnswered = true;
      const rows = answer as Iterable<unknown[]> & { readonly count?: number | null };
      return { rows: Array.from(rows), changed: rows.count ?? 0, inTransaction: false };
    } catch (error) {
      this.#wasAnswered = errorFields(error).severity === 'ERROR';
      throw error;
    }
  }

  release(broken: boolean): void {
    if (broken && this.#wasAnswered) this.#onWrong(this.#sql);
    this.#wasAnswered = false;
  }
}

/** No single connection can be taken out of the driver's pool: where one is to go, all do. */
class OwnPool {
  sql: PostgresJs;
  readonly #make: MakePostgresJs;
  readonly #ending = new Set<Promise<void>>();
  #isEnded = false;

  constructor(sql: PostgresJs, make: MakePostgresJs) {
    this.sql = sql;
    this.#make = make;
  }

  replace(used: PostgresJs): void {
    if (used !== this.sql || this.#isEnded) return;
    this.sql = this.#make({});
    // What others have asked it is answered before.
    const ending = used.end({ timeout: 5 }).catch(() => {});
    this.#ending.add(ending);
    void ending.then(() => this.#ending.delete(ending));
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await Promise.all([this.sql.end({ timeout: 1 }), ...this.#ending]);
  }
}

/** Not by the driver's `listen`: that connects again and again, also after it was ended, so the process never ends. */
async function listenAlone(
  make: MakePostgresJs,
  channels: readonly string[],
  { onNotification, onEnd }: NotificationHandlers,
): Promise<AsyncDisposable> {
  const onclose = () => onEnd(new Error('The connection that listens was closed.'));
  const sql = make({ max: 1, idle_timeout: null, max_lifetime: null, onnotify: onNotification, onclose });
  const close = () => sql.end({ timeout: 0 });
  try {
    const text = channels.map((channel) => `LISTEN "${channel}"`).join('; ');
    await sql.unsafe(text, [], { prepare: false });
  } catch (error) {
    await close();
    throw error;
  }
  return { [Symbol.asyncDispose]: close };
}

/** Each channel is asked for once: the driver listens again by itself, and gets stuck where asked while it cannot. */
class ListenedChannels {
  readonly #sql: PostgresJs;
  readonly #channels = new Map<string, Promise<{ unlisten(): Promise<unknown> } | undefined>>();
  readonly #listeners = new Map<string, (payload: string) => void>();
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
    for (const [channel, listening] of this.#channels) {
      await (await listening)?.unlisten().catch(() => {});
      this.#forget(channel);
    }
  }

  /**
   * Once the driver has connected again, its `unlisten` does not find what it added any more, and the user's `end` would
   * connect once more for that, for ever.
   */
  #forget(channel: string): void {
    const { channels } = this.#sql.listen;
    const listened = channels?.[channel];
    if (channels === undefined || listened === undefined) return;
    listened.listeners = listened.listeners.filter(({ fn }) => fn !== this.#listeners.get(channel));
    if (listened.listeners.length === 0) delete channels[channel];
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
      this.#listeners.set(channel, onNotify);
      listening = this.#sql.listen(channel, onNotify, onListen).catch(() => undefined);
      this.#channels.set(channel, listening);
    }
    return await listening;
  }
}
