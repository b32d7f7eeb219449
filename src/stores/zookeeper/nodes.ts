/** Nodes of ZooKeeper by their paths, and what its refusals mean to a user. */
import { ConclaveError } from '../../errors/index.ts';
import type { CallBounds } from '../documents/driver.ts';
import type { Answer } from './connection.ts';
import type { Ensemble } from './ensemble.ts';
import * as wire from './wire.ts';

const { operations, failures } = wire;

export interface NodesOptions {
  readonly ensemble: Ensemble;
  readonly description: string;
  readonly user: string | undefined;
}

export class Nodes {
  readonly #ensemble: Ensemble;
  readonly #description: string;
  readonly #user: string | undefined;
  readonly #permissions: readonly wire.Permission[];

  constructor({ ensemble, description, user }: NodesOptions) {
    this.#ensemble = ensemble;
    this.#description = description;
    this.#user = user;
    // 'auth': whoever is logged in on the connection that makes the node.
    const who = user === undefined ? { scheme: 'world', id: 'anyone' } : { scheme: 'auth', id: '' };
    this.#permissions = [{ permissions: wire.everything, ...who }];
  }

  /**
   * In the order of `paths`. Every write that was answered before, by whichever server, shows. `asTold`: every one that
   * this server told of, or showed before.
   */
  async find(
    paths: readonly string[],
    { timeoutMs, asTold = false }: CallBounds,
  ): Promise<readonly (wire.FoundNode | undefined)[]> {
    const [first = ''] = paths;
    const look = wire.multi(
      paths.map((path) => ({ operation: operations.getData, fill: wire.looking(path) })),
    );
    const { reader } = await this.#read(first, operations.multiRead, (writer) => writer.raw(look), {
      timeoutMs,
      asTold,
    });
    return wire.readMultiRead(reader).map((found, at) => {
      if (typeof found !== 'number') return found;
      if (found !== failures.noNode) this.#judge(found, paths[at] ?? '');
      return undefined;
    });
  }

  async children(path: string, { timeoutMs }: CallBounds): Promise<readonly string[]> {
    const look = wire.looking(path);
    const { code, reader } = await this.#read(path, operations.getChildren, look, {
      timeoutMs,
      asTold: false,
    });
    if (code === failures.noNode) return [];
    return Array.from({ length: Math.max(0, reader.int()) }, () => reader.text());
  }

  /** All parts or none. A failure is given back where it is a lost race: missing, there already, another version. */
  change(path: string, parts: readonly wire.Part[], bounds: CallBounds): Promise<wire.MultiResult> {
    return this.send(path, wire.multi(parts), bounds);
  }

  /** The same, of parts that were made one request before. */
  async send(path: string, request: Uint8Array, { timeoutMs }: CallBounds): Promise<wire.MultiResult> {
    const connection = this.#ensemble.connected ?? (await this.#ensemble.connection(timeoutMs));
    const { code, reader } = await connection.request(operations.multi, (writer) => writer.raw(request));
    this.#judge(code, path);
    const result = wire.readMulti(reader);
    const races: readonly number[] = [failures.noNode, failures.nodeExists, failures.badVersion];
    if (result.failure !== undefined && !races.includes(result.failure.code)) {
      this.#judge(result.failure.code, path);
    }
    return result;
  }

  /** Empty. */
  creation(path: string): wire.Part {
    return wire.creating(path, '', this.#permissions);
  }

  /** Those that are missing, one after the other. What is there stays as it is. */
  async ensure(paths: readonly string[], bounds: CallBounds): Promise<void> {
    const connection = await this.#ensemble.connection(bounds.timeoutMs);
    const looks = await Promise.all(
      paths.map((path) => connection.request(operations.exists, wire.looking(path))),
    );
    for (const [at, path] of paths.entries()) {
      if (looks[at]?.code === failures.noNode) await this.change(path, [this.creation(path)], bounds);
    }
  }

  /**
   * What `tell` makes of undefined first, when no change can be missed any more; then of paths that change, `path` itself
   * or below, until the signal aborts. @throws 'unavailable' when the connection breaks
   */
  async *watch<T>(
    path: string,
    signal: AbortSignal,
    tell: (changed: string | undefined) => T | undefined,
  ): AsyncGenerator<T, void, undefined> {
    const connection = await this.#ensemble.connection(5000);
    const { broken } = connection;
    const news: T[] = [];
    let wake = () => {};
    const onNews = () => wake();
    const onChange = (changed: string | undefined) => {
      const told = tell(changed);
      if (told === undefined) return;
      news.push(told);
      wake();
    };
    const stopListening = connection.listen(onChange);
    signal.addEventListener('abort', onNews);
    broken.addEventListener('abort', onNews);
    try {
      // 1: for changes of every kind, everywhere below, and not only for the first.
      const watch: wire.Fill = (writer) => writer.text(path).int(1);
      this.#judge((await connection.request(operations.addWatch, watch)).code, path);
      onChange(undefined);
      while (!signal.aborted) {
        if (broken.aborted) throw broken.reason;
        const next = news.shift();
        if (next !== undefined) yield next;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      stopListening();
      signal.removeEventListener('abort', onNews);
      broken.removeEventListener('abort', onNews);
      await this.#unwatch(connection, path);
    }
  }

  async #unwatch(connection: Awaited<ReturnType<Ensemble['connection']>>, path: string): Promise<void> {
    if (connection.listening || connection.broken.aborted) return;
    // 3: of whatever kind. Where it fails the connection is gone, and the watch with it.
    const watch: wire.Fill = (writer) => writer.text(path).int(3);
    await connection.request(operations.removeWatches, watch).catch(() => {});
  }

  /**
   * The server that is asked may be behind the others: it catches up first. Not where it is enough to see what it told
   * of: a server that watches for us tells of what it has yet to learn when it does, and one that is behind what this
   * process has seen of another does not serve us.
   */
  async #read(
    path: string,
    operation: number,
    body: wire.Fill,
    { timeoutMs, asTold }: { readonly timeoutMs: number; readonly asTold: boolean },
  ): Promise<Answer> {
    const connection = await this.#ensemble.connection(timeoutMs);
    const isEnough = asTold && connection.listening;
    // One round trip: the server answers in this order.
    const syncing = isEnough ? undefined : connection.request(operations.sync, (writer) => writer.text(path));
    const [synced, answer] = await Promise.all([syncing, connection.request(operation, body)]);
    if (synced !== undefined) this.#judge(synced.code, path);
    if (answer.code !== failures.noNode) this.#judge(answer.code, path);
    return answer;
  }

  #judge(code: Answer['code'], path: string): void {
    if (code === failures.none) return;
    const where = `${path} in ${this.#description}`;
    const who = this.#user === undefined ? 'anybody' : `user ${JSON.stringify(this.#user)}`;
    const login =
      this.#user === undefined ? 'give the store a user and password' : 'look at user and password';
    if (code === failures.noAuth || code === failures.invalidAcl || code === failures.authenticationFailed) {
      throw new ConclaveError(
        'failed-precondition',
        `ZooKeeper does not let ${who} use ${where}: ${login}, or allow it with setAcl -R (read, write, create, delete).`,
      );
    }
    if (code === failures.quotaExceeded) {
      throw new ConclaveError(
        'failed-precondition',
        `The quota of ${where} is used up: raise it with setquota.`,
      );
    }
    if (code === failures.unimplemented) {
      throw new ConclaveError(
        'failed-precondition',
        `${this.#description} is too old: ZooKeeper 3.6 is needed.`,
      );
    }
    const ended: readonly number[] = [failures.sessionExpired, failures.sessionMoved, failures.notReadOnly];
    const reason = ended.includes(code) ? 'the session is over' : `error ${code}`;
    // An answer with a failure says that nothing was done.
    throw new ConclaveError('unavailable', `ZooKeeper refuses ${where}: ${reason}.`, { retryable: true });
  }
}
