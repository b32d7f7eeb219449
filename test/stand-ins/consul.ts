// What Consul's HTTP API documents of its key-value store, transactions, blocking queries and ACL tokens, and no more;
// with the faults that a test asks for. Checked against Consul 1.10 by the same tests (test/servers/consul.ts).
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from './listening.ts';

export type ConsulMeddling =
  /** Carried out; the connection ends before the answer. */
  | 'lose-answer'
  /** Carried out twice, as by something between that sends again; the second answer comes. */
  | 'twice'
  /** Carried out only when `deliver` is called; no answer ever comes. */
  | 'hold'
  | undefined;

interface Entry {
  readonly Key: string;
  readonly Value: string | null;
  readonly Flags: number;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  readonly LockIndex: number;
}

interface KeyOperation {
  readonly Verb: string;
  readonly Key: string;
  readonly Value?: string | null;
  readonly Index?: number;
  readonly Flags?: number;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly index?: number;
}

interface State {
  entries: Map<string, Entry>;
  /** Of keys that were deleted: at which index. */
  graves: Map<string, number>;
  index: number;
}

const maxOperations = 64;
const maxBody = 512 * 1024;

export class ConsulStandIn implements AsyncDisposable {
  /** Secrets and the prefix that each may read and write; none: no token is needed. */
  readonly tokens = new Map<string, string>();
  /** Asked for each request. */
  meddle: (method: string, path: string, body: string) => ConsulMeddling = () => undefined;
  /** Servers that have no leader refuse what needs one. */
  hasLeader = true;
  requests = 0;
  #state: State = { entries: new Map(), graves: new Map(), index: 7 };
  #server: Server | undefined;
  #port = 0;
  readonly #held: (() => void)[] = [];
  readonly #waiting = new Map<() => void, string>();

  static async start(): Promise<ConsulStandIn> {
    const standIn = new ConsulStandIn();
    await standIn.listen();
    return standIn;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** At the same port as before, or at this one; 0 takes a free one. */
  async listen(port = this.#port): Promise<void> {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
    this.#port = await listen(server, port);
    this.#server = server;
  }

  /** What it holds stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    this.#wake();
    await closed;
  }

  /** What is held is carried out now. */
  deliver(): number {
    const held = this.#held.splice(0);
    for (const carryOut of held) carryOut();
    return held.length;
  }

  /** As `consul snapshot save`; what it returns restores it, and the indexes with it. */
  snapshot(): () => void {
    const { entries, graves, index } = this.#state;
    const saved = { entries: new Map(entries), graves: new Map(graves), index };
    return () => {
      this.#state = saved;
      this.#wake();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    let body = '';
    for await (const chunk of request) body += chunk;
    const method = request.method ?? 'GET';
    const url = new URL(request.url ?? '/', this.url);
    const token = request.headers['x-consul-token'];
    const carryOut = () => this.#answer(method, url, body, typeof token === 'string' ? token : '');
    const meddling = this.meddle(method, url.pathname, body);
    if (meddling === 'hold') {
      this.#held.push(() => void carryOut());
      return;
    }
    if (meddling === 'twice') await carryOut();
    const { status, body: said, index } = await carryOut();
    if (meddling === 'lose-answer') return void response.destroy();
    if (response.destroyed) return;
    response.statusCode = status;
    if (index !== undefined) {
      response.setHeader('X-Consul-Index', index);
      response.setHeader('X-Consul-KnownLeader', 'true');
    }
    response.end(typeof said === 'string' ? said : JSON.stringify(said));
  }

  async #answer(method: string, url: URL, body: string, token: string): Promise<Answer> {
    if (!this.hasLeader) return { status: 500, body: 'No cluster leader' };
    if (this.tokens.size > 0 && token !== '' && !this.tokens.has(token)) {
      return { status: 403, body: 'ACL not found' };
    }
    const path = decodeURIComponent(url.pathname);
    // As the router of its HTTP library: such a path is redirected, not served.
    if (/\/\/|\/\.\.?(\/|$)/.test(path)) return { status: 301, body: '' };
    const dc = url.searchParams.get('dc');
    if (dc !== null && dc !== 'dc1') return { status: 500, body: 'No path to datacenter' };
    if (url.searchParams.has('ns')) {
      const message = 'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature';
      return { status: 400, body: message };
    }
    if (path === '/v1/txn' && method === 'PUT') return this.#transact(body, token);
    const key = /^\/v1\/kv\/(.+)$/.exec(path)?.[1];
    if (key === undefined) return { status: 404, body: '' };
    if (method === 'GET') return await this.#get(key, url.searchParams, token);
    if (!this.#allows(token, key)) return { status: 403, body: 'Permission denied' };
    const cas = url.searchParams.get('cas');
    const recurse = url.searchParams.has('recurse');
    if (method === 'PUT') return { status: 200, body: this.#put(key, body, cas) };
    if (method === 'DELETE') return { status: 200, body: this.#delete(key, cas, recurse) };
    return { status: 405, body: '' };
  }

  async #get(key: string, query: URLSearchParams, token: string): Promise<Answer> {
    const many = query.has('recurse') || query.has('keys');
    if (!many && !this.#allows(token, key)) return { status: 403, body: 'Permission denied' };
    const index = Number(query.get('index') ?? 0);
    const waitMs = Math.min(600, Number.parseInt(query.get('wait') ?? '300', 10) || 300) * 1000;
    const until = performance.now() + waitMs + (Math.random() * waitMs) / 16;
    while (index > 0 && this.#indexOf(key, many) === index && performance.now() < until) {
      if (this.#server === undefined) break;
      await this.#changed(key, until - performance.now());
    }
    const { entries } = this.#state;
    const found = (many ? [...entries.values()] : [entries.get(key)].filter((entry) => entry !== undefined))
      .filter(({ Key }) => Key.startsWith(key) && this.#allows(token, Key))
      .sort((left, right) => (left.Key < right.Key ? -1 : 1));
    const at = this.#indexOf(key, many);
    if (found.length === 0) return { status: 404, body: '', index: at };
    return { status: 200, body: query.has('keys') ? found.map(({ Key }) => Key) : found, index: at };
  }

  /** Of the keys that begin so, and of graves among them; of everything where there are none. */
  #indexOf(key: string, many: boolean): number {
    const { entries, graves, index } = this.#state;
    if (!many) return entries.get(key)?.ModifyIndex ?? index;
    const matches = ([one]: readonly [string, unknown]) => one.startsWith(key);
    const own = [...entries].filter(matches).map(([, { ModifyIndex }]) => ModifyIndex);
    const dead = [...graves].filter(matches).map(([, at]) => at);
    return own.length + dead.length === 0 ? index : Math.max(...own, ...dead);
  }

  #transact(body: string, token: string): Answer {
    if (body.length > maxBody) return { status: 413, body: `Request body(${body.length} bytes) too large` };
    const operations = (JSON.parse(body) as readonly { readonly KV: KeyOperation }[]).map(({ KV }) => KV);
    if (operations.length > maxOperations) {
      return { status: 413, body: `Transaction contains too many operations (${operations.length} > 64)` };
    }
    const denied = operations.flatMap(({ Key }, OpIndex) =>
      this.#allows(token, Key) ? [] : [{ OpIndex, What: 'Permission denied' }],
    );
    if (denied.length > 0) return { status: 409, body: { Results: null, Errors: denied } };
    const before = {
      ...this.#state,
      entries: new Map(this.#state.entries),
      graves: new Map(this.#state.graves),
    };
    const changes = operations.some(({ Verb }) => !/^(get|check)/.test(Verb));
    if (changes) this.#state.index += 1;
    const results: { readonly KV: Entry }[] = [];
    for (const [OpIndex, operation] of operations.entries()) {
      const done = this.#operate(operation);
      if (typeof done === 'string') {
        this.#state = before;
        return { status: 409, body: { Results: null, Errors: [{ OpIndex, What: done }] } };
      }
      results.push(...done.map((KV) => ({ KV })));
    }
    if (changes) this.#wake(...operations.map(({ Key }) => Key));
    return { status: 200, body: { Results: results, Errors: null } };
  }

  /** Its results, or why it fails. */
  #operate({ Verb, Key, Value = '', Index = 0, Flags = 0 }: KeyOperation): readonly Entry[] | string {
    const { entries } = this.#state;
    const there = entries.get(Key);
    switch (Verb) {
      case 'get-tree':
        return [...entries.values()].filter((entry) => entry.Key.startsWith(Key));
      case 'check-index':
        if (there === undefined) return `key "${Key}" doesn't exist`;
        if (there.ModifyIndex === Index) return [];
        return `failed index check for key "${Key}", current modify index ${there.ModifyIndex} != ${Index}`;
      case 'cas':
        if ((there?.ModifyIndex ?? 0) !== Index) return `failed to set key "${Key}", index is stale`;
        return [{ ...this.#set(Key, Value, Flags), Value: null }];
      case 'delete-cas':
        if (there !== undefined && there.ModifyIndex !== Index) {
          return `failed to delete key "${Key}", index is stale`;
        }
        this.#bury(Key);
        return [];
      default:
        return `unknown KV verb "${Verb}"`;
    }
  }

  #put(key: string, value: string, cas: string | null): boolean {
    if (cas !== null && (this.#state.entries.get(key)?.ModifyIndex ?? 0) !== Number(cas)) return false;
    this.#state.index += 1;
    this.#set(key, Buffer.from(value).toString('base64'), 0);
    this.#wake(key);
    return true;
  }

  #delete(key: string, cas: string | null, recurse: boolean): boolean {
    const there = this.#state.entries.get(key);
    // Where nothing is left the deletion counts as done; 0 deletes nothing.
    if (cas !== null && there !== undefined && there.ModifyIndex !== Number(cas)) return false;
    this.#state.index += 1;
    const keys = recurse ? [...this.#state.entries.keys()].filter((one) => one.startsWith(key)) : [key];
    for (const one of keys) this.#bury(one);
    if (keys.length > 0) this.#wake(...keys);
    return true;
  }

  /** What changes nothing leaves the index as it is. */
  #set(Key: string, Value: string | null, Flags: number): Entry {
    const { entries, graves, index } = this.#state;
    const there = entries.get(Key);
    if (there !== undefined && there.Value === Value && there.Flags === Flags) return there;
    const CreateIndex = there?.CreateIndex ?? index;
    const entry = { Key, Value, Flags, CreateIndex, ModifyIndex: index, LockIndex: there?.LockIndex ?? 0 };
    entries.set(Key, entry);
    graves.delete(Key);
    return entry;
  }

  #bury(key: string): void {
    if (this.#state.entries.delete(key)) this.#state.graves.set(key, this.#state.index);
  }

  #allows(token: string, key: string): boolean {
    if (this.tokens.size === 0) return true;
    const prefix = this.tokens.get(token);
    return prefix !== undefined && key.startsWith(prefix);
  }

  /** Those who wait for one of these keys, or for what begins as they do; for all without. */
  #wake(...keys: readonly string[]): void {
    for (const [wake, prefix] of [...this.#waiting]) {
      if (keys.length === 0 || keys.some((key) => key.startsWith(prefix))) wake();
    }
  }

  async #changed(prefix: string, mostMs: number): Promise<void> {
    const over = new AbortController();
    const woken = new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.set(wake, prefix);
      over.signal.addEventListener('abort', wake);
    });
    await Promise.race([
      woken,
      sleep(mostMs, undefined, { signal: over.signal, ref: false }).catch(() => {}),
    ]);
    over.abort();
  }
}
