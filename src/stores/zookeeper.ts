/**
 * A user's own ZooKeeper as a lease store: one node for each election and each session, replaced only while it has
 * the version that was read.
 *
 * Guarantees: versions are ZooKeeper's, together with the transaction that made the node and with a child that only
 * this node has, so a node that somebody deleted and another made again is never taken for the one that was read; a
 * read is preceded by `sync`, since the server that is asked may be behind the others; changes come by one watch on
 * everything below the store's path.
 *
 * Must not: write with version -1, which replaces whatever stands there; use ephemeral nodes. Those end with
 * ZooKeeper's own session: never before 2 ticks (4 s by default, where this store's floor is 1 s), and anew with its
 * whole time when the ensemble changes its leader; and a holder that is cut off never hears of it. So sessions are
 * nodes that are renewed, as in every store, and who waits judges by a clock of its own.
 *
 * Speaks ZooKeeper's protocol itself (`zookeeper/`): npm's node-zookeeper-client has no `sync`, never gives up a server
 * that went silent, and takes the rest of a broken connection for the beginning of the next.
 */
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import type {
  CallBounds,
  DocumentChange,
  DocumentDriver,
  DocumentKey,
  DocumentWrite,
  Led,
  StoredDocument,
} from './documents/driver.ts';
import { documentStore, documentStoreOptionNames } from './documents/index.ts';
import { unescapeName } from './escaped-names.ts';
import { checkPath, Ensemble, parseServers } from './zookeeper/ensemble.ts';
import {
  changeOf,
  contentOf,
  dataOf,
  ledPath,
  noMarker,
  parseVersion,
  pathOf,
  versionOf,
} from './zookeeper/layout.ts';
import { Nodes } from './zookeeper/nodes.ts';
import { sweepSessions } from './zookeeper/sweeping.ts';
import { checking, deleting, failures, multi, type Part, settingData } from './zookeeper/wire.ts';

export interface ZookeeperStoreOptions {
  /** `zk1:2181,zk2:2181,zk3:2181`, with a path after it if all is to lie below that; or an array of addresses. */
  readonly servers: string | readonly string[];
  /** Everything of the store lies below it. Made where it is missing. Default '/conclave'. */
  readonly path?: string | undefined;
  /** To log in with, by digest. Then only this user may see and change what the store makes. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** For a call with all its retries. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** How often who waits looks while ZooKeeper cannot tell of changes. Default 1000. */
  readonly pollMs?: number | undefined;
  /** Default: this machine. */
  readonly runtime?: Runtime | undefined;
}

/** ZooKeeper closes the connection on a request of more than 1 MiB, path and all. */
const mostBytes = 1_000_000;

/** @throws ConclaveError 'invalid-argument' for malformed servers, an unusable path, half a login. */
export function zookeeperStore(options: ZookeeperStoreOptions): LeaseStore {
  checkNames('The options of zookeeperStore', options, [
    ...documentStoreOptionNames,
    ...['servers', 'path', 'user', 'password'],
  ]);
  const { timeoutMs = 5000, pollMs = 1000, runtime = nodeRuntime() } = options;
  return documentStore(zookeeperDriver({ ...options, runtime }), { timeoutMs, pollMs, runtime });
}

/** For the tests of what is below the store. */
export function zookeeperDriver(options: ZookeeperStoreOptions): DocumentDriver {
  return new ZookeeperDriver(options);
}

class ZookeeperDriver implements DocumentDriver {
  readonly description: string;
  readonly traits = {
    consistency: 'linearizable',
    note: 'while a majority of the servers keep what their disks confirmed (forceSync on); a restored backup takes tokens back',
    // Nodes have no expiry unless an administrator turns it on; sessions left over are swept (below).
    forgets: false,
    // A renewal is a write to a majority's disks; the ensemble needs some hundred milliseconds for a new leader.
    minTtlMs: 1000,
    ownsClock: false,
  } as const;
  readonly #runtime: Runtime;
  readonly #root: string;
  readonly #ensemble: Ensemble;
  readonly #nodes: Nodes;
  readonly #closed = new AbortController();
  #sweeping: Promise<void> | undefined;

  constructor({
    servers,
    path = '/conclave',
    user,
    password,
    runtime = nodeRuntime(),
  }: ZookeeperStoreOptions) {
    const { addresses, chroot } = parseServers(servers);
    this.#runtime = runtime;
    this.#root = `${chroot}${checkPath(path)}`;
    if (this.#root === '') {
      throw new ConclaveError('invalid-argument', 'The store needs a path of its own, like /conclave.');
    }
    if ((user === undefined) !== (password === undefined) || user === '' || user?.includes(':')) {
      const message =
        'To log in to ZooKeeper give both a user (without ":") and a password; in a URL: zk://user:password@host:2181.';
      throw new ConclaveError('invalid-argument', message);
    }
    const credentials = user === undefined || password === undefined ? undefined : { user, password };
    const list = addresses.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
    this.description = `ZooKeeper at ${list.join(',')}`;
    this.#ensemble = new Ensemble(runtime, addresses, credentials, this.description);
    this.#nodes = new Nodes({ ensemble: this.#ensemble, description: this.description, user });
  }

  async open(bounds: CallBounds): Promise<void> {
    await this.#makeFolders(bounds);
    // Who may not read is told now, not when somebody waits.
    await this.#nodes.children(`${this.#root}/elections`, bounds);
    // In nobody's way; where it fails another process does it.
    this.#sweeping ??= sweepSessions(this.#nodes, this.#root, this.#closed.signal).catch(() => {});
  }

  async read(key: DocumentKey, bounds: CallBounds): Promise<StoredDocument | undefined> {
    const [found] = await this.readMany([key], bounds);
    return found;
  }

  async readMany(
    keys: readonly DocumentKey[],
    bounds: CallBounds,
  ): Promise<readonly (StoredDocument | undefined)[]> {
    const paths = keys.map((key) => pathOf(this.#root, key));
    const nodes = await this.#nodes.find(paths, bounds);
    return keys.map((_, at) => nodes[at] && contentOf(nodes[at]).stored);
  }

  async write(
    key: DocumentKey,
    text: string,
    write: DocumentWrite,
    bounds: CallBounds,
  ): Promise<string | undefined> {
    return await this.prepare(key, text, write)(bounds);
  }

  prepare(
    key: DocumentKey,
    text: string,
    { replaces, keepMs, leads }: DocumentWrite,
  ): (bounds: CallBounds) => Promise<string | undefined> {
    const path = pathOf(this.#root, key);
    const before = replaces === undefined ? undefined : parseVersion(replaces);
    // A session's name is never used again, so no other node can be taken for it.
    const marker = before?.marker ?? (key.kind === 'session' ? noMarker : this.#newMarker());
    const data = dataOf(text, marker, key.kind === 'session' ? keepMs : undefined);
    this.#checkSize(path, data);
    const marking = marker === noMarker ? undefined : `${path}/${marker}`;
    const request = multi([
      ...this.#preparing(path, marking, before === undefined, leads),
      // Data are set in each case, since the answer to that alone has the node's version.
      settingData(path, data, before?.version ?? 0),
    ]);
    return async (bounds) => {
      let { failure, stats } = await this.#nodes.send(path, request, bounds);
      if (failure?.code === failures.noNode && before === undefined) {
        // Somebody deleted all that the store has.
        await this.#makeFolders(bounds);
        ({ failure, stats } = await this.#nodes.send(path, request, bounds));
      }
      if (failure === undefined && stats[0] !== undefined) return versionOf(stats[0], marker);
      if (failure?.code === failures.noNode && replaces !== undefined) {
        await this.#assertMarked(key, replaces, bounds);
      }
      return undefined;
    };
  }

  /** What comes before the data: the node itself, or that it is the one that was read; and word of who leads. */
  #preparing(
    path: string,
    marking: string | undefined,
    isNew: boolean,
    leads: Led | undefined,
  ): readonly Part[] {
    const marker = marking === undefined ? [] : [marking];
    if (isNew) return [path, ...marker].map((made) => this.#nodes.creation(made));
    if (marking === undefined) return [];
    if (leads === undefined) return [checking(marking, -1)];
    // First of all that is told of this write: who hears that it leads reads nothing, and the others look at the data.
    const telling = ledPath(marking, leads);
    return [this.#nodes.creation(telling), deleting(telling, -1)];
  }

  async remove(key: DocumentKey, version: string, bounds: CallBounds): Promise<boolean> {
    const path = pathOf(this.#root, key);
    const { version: number, marker } = parseVersion(version);
    const parts = [
      ...(marker === noMarker ? [] : [deleting(`${path}/${marker}`, -1)]),
      deleting(path, number),
    ];
    const { failure } = await this.#nodes.change(path, parts, bounds);
    return failure === undefined;
  }

  async list(prefix: string, bounds: CallBounds): Promise<readonly string[]> {
    const segments = await this.#nodes.children(`${this.#root}/elections`, bounds);
    return segments
      .map((segment) => unescapeName(segment))
      .filter((name) => name?.startsWith(prefix)) as string[];
  }

  changes(signal: AbortSignal): AsyncGenerator<DocumentChange, void, undefined> {
    const tell = (path: string | undefined) => (path === undefined ? 'all' : changeOf(this.#root, path));
    return this.#nodes.watch<DocumentChange>(this.#root, signal, tell);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    this.#ensemble.close();
    await this.#sweeping;
  }

  async #makeFolders(bounds: CallBounds): Promise<void> {
    const above = this.#root.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/'));
    const folders = [...above.slice(1), `${this.#root}/elections`, `${this.#root}/sessions`];
    await this.#nodes.ensure(folders, bounds);
  }

  /** Its marker gone alone, nothing could ever change it again. */
  async #assertMarked(key: DocumentKey, version: string, bounds: CallBounds): Promise<void> {
    const now = await this.read(key, bounds);
    if (now?.version !== version) return;
    const path = pathOf(this.#root, key);
    throw new ConclaveError(
      'failed-precondition',
      `Somebody deleted a child of ${path} in ${this.description}, and it cannot be changed without: delete all of it (deleteall ${path}). Tokens go on rising.`,
    );
  }

  #checkSize(path: string, data: string): void {
    if (Buffer.byteLength(data) <= mostBytes) return;
    throw new ConclaveError(
      'too-large',
      `${path} in ${this.description} would have more than the ${mostBytes} bytes that ZooKeeper takes: keep records and metadata small, and the waiters of one election few.`,
    );
  }

  #newMarker(): string {
    return Buffer.from(this.#runtime.random.bytes(12)).toString('hex');
  }
}
