// The part of Kubernetes' API server that keeps Lease objects, after its documentation: optimistic concurrency by
// resourceVersion, preconditions of a deletion, merge patches, lists in pages, watches with bookmarks and 410, RBAC,
// validation. It can be told to lose answers, to carry out a request twice, to answer never, to refuse.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { checkLease, type LeaseObject, matches, merged, Refusal } from './kubernetes-objects.ts';
import { listen } from './listening.ts';

export type Fault = 'lose-answer' | 'twice' | 'silence' | { readonly code: number; readonly reason: string };

export interface Call {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'patch' | 'update' | 'delete';
  readonly name: string | undefined;
}

interface Event {
  readonly type: string;
  readonly revision: number;
  readonly object: LeaseObject;
}

interface Watcher {
  readonly namespace: string;
  readonly labels: string;
  readonly bookmarks: boolean;
  readonly response: ServerResponse;
}

export class KubernetesStandIn implements AsyncDisposable {
  token = 'a-service-account-token';
  readonly namespaces = new Set(['default']);
  readonly objects = new Map<string, LeaseObject>();
  /** What the token may do; all, where undefined. */
  allowed: readonly string[] | undefined;
  /** Asked before each request; what it gives becomes of that one. */
  meddle: (call: Call) => Fault | undefined = () => undefined;
  requests = 0;
  #revision = 1000;
  #compacted = 1000;
  #events: Event[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #server = createServer((request, response) => {
    this.#handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  #port = 0;

  static async start(): Promise<KubernetesStandIn> {
    const standIn = new KubernetesStandIn();
    await standIn.up();
    return standIn;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens again, where it did before. */
  async up(): Promise<void> {
    this.#port = await listen(this.#server, this.#port);
  }

  /** Ends all connections and listens no more. Objects stay, as in etcd. */
  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Forgets the events until now, as etcd does after some minutes. Watches that stand go on. */
  compact(): void {
    this.#compacted = this.#revision;
    this.#events = [];
  }

  /** To all watches that asked for them. */
  sendBookmarks(): void {
    const object = { kind: 'Lease', metadata: { resourceVersion: String(this.#revision) } };
    for (const { bookmarks, response } of this.#watchers) {
      if (bookmarks) response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
    }
  }

  /** Ends each watch as a server does that is behind. */
  expireWatches(): void {
    const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
    for (const { response } of this.#watchers) response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
  }

  get watches(): number {
    return this.#watchers.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.down();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '', this.url);
    const path = /^\/apis\/coordination\.k8s\.io\/v1\/namespaces\/([^/]+)\/leases(?:\/([^/]+))?$/;
    const [matched, namespace = '', encoded] = path.exec(url.pathname) ?? [];
    const name = encoded && decodeURIComponent(encoded);
    const verb = verbOf(request.method ?? '', name, url.searchParams);
    const fault = this.meddle({ verb, name });
    if (fault === 'silence') return;
    try {
      if (typeof fault === 'object') throw new Refusal(fault.code, fault.reason, 'told to');
      if (!matched) throw new Refusal(404, '', '404 page not found');
      this.#admit(request, verb, namespace);
      const text = Buffer.concat(chunks).toString();
      const body = JSON.parse(text === '' ? '{}' : text) as LeaseObject;
      const type = request.headers['content-type'] ?? '';
      const act = () => this.#act(verb, namespace, name, body, type, url.searchParams);
      if (verb === 'watch') return this.#watch(namespace, url.searchParams, response);
      // What sent it twice hears of the second time.
      if (fault === 'twice') act();
      const answer = act();
      if (fault === 'lose-answer') return void response.destroy();
      send(response, verb === 'create' ? 201 : 200, answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (fault === 'lose-answer') return void response.destroy();
      send(response, error.code, error.status());
    }
  }

  #admit(request: IncomingMessage, verb: string, namespace: string): void {
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      throw new Refusal(401, 'Unauthorized', 'Unauthorized');
    }
    if (this.allowed !== undefined && !this.allowed.includes(verb)) {
      const message = `leases.coordination.k8s.io is forbidden: User "tester" cannot ${verb} resource "leases" in API group "coordination.k8s.io" in the namespace "${namespace}"`;
      throw new Refusal(403, 'Forbidden', message);
    }
  }

  #act(
    verb: Call['verb'],
    namespace: string,
    name: string | undefined,
    body: LeaseObject,
    type: string,
    query: URLSearchParams,
  ): object {
    if (verb === 'list') return this.#list(namespace, query);
    if (verb === 'create') return this.#create(namespace, body);
    const key = `${namespace}/${name}`;
    const found = this.objects.get(key);
    if (found === undefined)
      throw new Refusal(404, 'NotFound', `leases.coordination.k8s.io "${name}" not found`);
    if (verb === 'get') return found;
    if (verb === 'delete') return this.#delete(key, found, body);
    if (verb === 'patch' && type !== 'application/merge-patch+json') {
      throw new Refusal(
        415,
        'UnsupportedMediaType',
        `the body of the request was in an unknown format: ${type}`,
      );
    }
    return this.#replace(key, found, verb === 'patch' ? (merged(found, body) as LeaseObject) : body);
  }

  #create(namespace: string, given: LeaseObject): LeaseObject {
    // A null is as good as nothing.
    const body = merged({}, given) as LeaseObject;
    if (!this.namespaces.has(namespace)) {
      throw new Refusal(404, 'NotFound', `namespaces "${namespace}" not found`);
    }
    checkLease(body);
    const { name } = body.metadata;
    const key = `${namespace}/${name}`;
    if (this.objects.has(key)) {
      throw new Refusal(409, 'AlreadyExists', `leases.coordination.k8s.io "${name}" already exists`);
    }
    const metadata = { ...body.metadata, namespace, uid: randomUUID(), creationTimestamp: now() };
    return this.#store(key, 'ADDED', { ...body, metadata });
  }

  #replace(key: string, found: LeaseObject, next: LeaseObject): LeaseObject {
    const { uid, resourceVersion } = found.metadata;
    checkLease(next);
    for (const [what, given, is] of [
      ['UID', next.metadata.uid, uid],
      ['resourceVersion', next.metadata.resourceVersion, resourceVersion],
    ]) {
      if (given !== undefined && given !== is) throw conflict(found, `${what} ${given} is not ${is}`);
    }
    // What changes nothing makes no new version.
    if (JSON.stringify(next) === JSON.stringify(found)) return found;
    return this.#store(key, 'MODIFIED', next);
  }

  #delete(key: string, found: LeaseObject, { preconditions = {} }: LeaseObject): object {
    const { uid, resourceVersion, finalizers = [], name } = found.metadata;
    if (
      (preconditions.uid ?? uid) !== uid ||
      (preconditions.resourceVersion ?? resourceVersion) !== resourceVersion
    ) {
      throw conflict(found, 'Precondition failed');
    }
    if (finalizers.length > 0) {
      const metadata = { ...found.metadata, deletionTimestamp: now() };
      return this.#store(key, 'MODIFIED', { ...found, metadata });
    }
    this.#store(key, 'DELETED', found);
    return { kind: 'Status', apiVersion: 'v1', status: 'Success', details: { name, uid } };
  }

  #store(key: string, type: string, next: LeaseObject): LeaseObject {
    this.#revision += 1;
    const metadata = { ...next.metadata, resourceVersion: String(this.#revision) };
    const object: LeaseObject = { ...next, kind: 'Lease', apiVersion: 'coordination.k8s.io/v1', metadata };
    if (type === 'DELETED') this.objects.delete(key);
    else this.objects.set(key, object);
    const event = { type, revision: this.#revision, object };
    this.#events.push(event);
    for (const watcher of this.#watchers) tell(watcher, event);
    return object;
  }

  #list(namespace: string, query: URLSearchParams): object {
    const limit = Number(query.get('limit') ?? 0);
    const from = query.get('continue') ?? '';
    const labels = query.get('labelSelector') ?? '';
    const all = [...this.objects]
      .filter(([key, object]) => key.startsWith(`${namespace}/`) && matches(object, labels) && key > from)
      .sort(([left], [right]) => (left < right ? -1 : 1));
    const page = limit > 0 ? all.slice(0, limit) : all;
    const more = page.length < all.length ? page.at(-1)?.[0] : undefined;
    const metadata = {
      resourceVersion: String(this.#revision),
      ...(more !== undefined && { continue: more }),
    };
    return { kind: 'LeaseList', metadata, items: page.map(([, object]) => object) };
  }

  #watch(namespace: string, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion') ?? this.#revision);
    const bookmarks = query.get('allowWatchBookmarks') === 'true';
    const watcher = { namespace, labels: query.get('labelSelector') ?? '', bookmarks, response };
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    if (from < this.#compacted) {
      const { code } = new Refusal(410, 'Expired', '');
      const object = {
        kind: 'Status',
        code,
        reason: 'Expired',
        message: `too old resource version: ${from}`,
      };
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    this.#watchers.add(watcher);
    for (const event of this.#events) if (event.revision > from) tell(watcher, event);
    const timer = setTimeout(() => response.end(), Number(query.get('timeoutSeconds') ?? 300) * 1000);
    response.on('close', () => {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    });
  }
}

function tell({ namespace, labels, response }: Watcher, { type, object }: Event): void {
  if (object.metadata.namespace !== namespace || !matches(object, labels)) return;
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function verbOf(method: string, name: string | undefined, query: URLSearchParams): Call['verb'] {
  if (method === 'POST') return 'create';
  if (method === 'PATCH') return 'patch';
  if (method === 'PUT') return 'update';
  if (method === 'DELETE') return 'delete';
  if (query.get('watch') === 'true') return 'watch';
  return name === undefined ? 'list' : 'get';
}

function conflict({ metadata: { name } }: LeaseObject, why: string): Refusal {
  const message = `Operation cannot be fulfilled on leases.coordination.k8s.io "${name}": the object has been modified; please apply your changes to the latest version and try again (${why})`;
  return new Refusal(409, 'Conflict', message);
}

function send(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+/, '');
}
