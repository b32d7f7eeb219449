/**
 * Lease objects of a Kubernetes cluster as a lease store: one for each election and each session, changed only while it
 * has the resourceVersion that was read. `kubectl get lease` shows who leads.
 *
 * Guarantees: reads come from a quorum of the cluster's etcd; a change is carried out for one resourceVersion and one
 * uid, so not for an object that was deleted and made again meanwhile; labels and annotations of others stay.
 *
 * Must not: judge by the times in a Lease, which come from the clocks of many machines; share a Lease with another
 * library's leader election, which takes it over by those times.
 */
import type { KubeConfig } from '@kubernetes/client-node';
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import {
  type CallBounds,
  checkOptions,
  type DocumentChange,
  type DocumentDriver,
  type DocumentKey,
  type DocumentWrite,
  documentStore,
  documentStoreOptionNames,
  type FoundDocument,
  foreignOnly,
  foundOrForeign,
  type StoredDocument,
} from './documents/index.ts';
import { loadDriver } from './driver-package.ts';
import { documentIn, identityOf, keyIn, leaseName, leaseOf, selector } from './kubernetes/leases.ts';
import { type Cluster, Declined, type Lease, LeaseRequests } from './kubernetes/requests.ts';

export interface KubernetesStoreOptions {
  /** Default: $KUBECONFIG, otherwise ~/.kube/config, otherwise, in a Pod, its service account. */
  readonly kubeConfig?: KubeConfig | undefined;
  /** Where the Leases are. Default: that of the Pod, or of the current context, or 'default'. */
  readonly namespace?: string | undefined;
  /** The Leases' names begin with it, and they carry it as a label. A DNS label, at most 30. Default 'conclave'. */
  readonly prefix?: string | undefined;
  /** For a call with all its retries. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** How often who waits looks while no watch stands. Default 1000. */
  readonly pollMs?: number | undefined;
  /** Default: this machine. */
  readonly runtime?: Runtime | undefined;
}

const optionNames = ['kubeConfig', 'namespace', 'prefix', ...documentStoreOptionNames];
const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
/** The server ends each watch then, so that a connection that died in silence is noticed. */
const watchSeconds = 60;
const watchGraceMs = 15_000;
const pageSize = '500';
const mostSingleReads = 8;

/** @throws ConclaveError 'invalid-argument' for a namespace or prefix that is no DNS label, or a wrong duration. */
export function kubernetesStore(options: KubernetesStoreOptions = {}): LeaseStore {
  checkOptions('The options of kubernetesStore', options, optionNames);
  const { timeoutMs, pollMs, runtime } = options;
  return documentStore(kubernetesDriver(options), { timeoutMs, pollMs, runtime });
}

/** @internal for tests */
export function kubernetesDriver(options: KubernetesStoreOptions = {}): DocumentDriver {
  return new KubernetesDriver(options, options.runtime ?? nodeRuntime());
}

class KubernetesDriver implements DocumentDriver {
  readonly description: string;
  readonly traits = {
    consistency: 'linearizable',
    note: 'as the etcd of the cluster is; a restored backup of it takes tokens back',
    // Each renewal is a write to the cluster's etcd, and API servers are often slow for a second.
    minTtlMs: 2000,
    ownsClock: false,
    forgets: false,
  } as const;
  readonly #requests: LeaseRequests;
  readonly #options: KubernetesStoreOptions;
  readonly #prefix: string;
  readonly #runtime: Runtime;
  #cluster: Promise<Cluster> | undefined;
  /** Server and namespace that were found first. */
  #place: string | undefined;

  constructor(options: KubernetesStoreOptions, runtime: Runtime) {
    const { kubeConfig, prefix = 'conclave' } = options;
    if (kubeConfig !== undefined && typeof kubeConfig?.applySecurityAuthentication !== 'function') {
      throw new ConclaveError(
        'invalid-argument',
        'kubeConfig must be a KubeConfig of @kubernetes/client-node 2.',
      );
    }
    const namespace = options.namespace ?? (kubeConfig && namespaceOf(kubeConfig));
    if (namespace !== undefined && !(dnsLabel.test(namespace) && namespace.length <= 63)) {
      throw new ConclaveError(
        'invalid-argument',
        `namespace must be a DNS label, not ${JSON.stringify(namespace)}.`,
      );
    }
    if (!(dnsLabel.test(prefix) && prefix.length <= 30)) {
      const message = `prefix must be a DNS label of at most 30 characters, not ${JSON.stringify(prefix)}.`;
      throw new ConclaveError('invalid-argument', message);
    }
    this.#options = options;
    this.#prefix = prefix;
    this.#runtime = runtime;
    this.description = `the Leases ${prefix}.* of Kubernetes in namespace ${namespace ?? '(as configured)'}`;
    const readAgain = () => {
      this.#cluster = undefined;
    };
    this.#requests = new LeaseRequests(this.description, () => this.#connect(), readAgain);
  }

  async open({ signal }: CallBounds): Promise<void> {
    await this.#list({ limit: '1' }, signal);
  }

  async read(key: DocumentKey, { signal }: CallBounds): Promise<StoredDocument | undefined> {
    const name = leaseName(this.#prefix, key);
    const what = `Reading in ${this.description}`;
    // Without a resourceVersion: what a quorum has, not what this API server remembers.
    const lease = await this.#requests.send<Lease>(what, { method: 'GET', name, signal });
    return lease instanceof Declined ? undefined : documentIn(lease, key, this.description);
  }

  /** Many of one kind come in one list rather than in a request each. */
  async readMany(keys: readonly DocumentKey[], bounds: CallBounds): Promise<readonly FoundDocument[]> {
    if (keys.length <= mostSingleReads || new Set(keys.map(({ kind }) => kind)).size > 1) {
      return await Promise.all(keys.map((key) => this.read(key, bounds).catch(foreignOnly)));
    }
    const found = new Map<string | undefined, Lease>();
    for await (const lease of this.#all(keys[0]?.kind, bounds.signal)) found.set(lease.metadata?.name, lease);
    return keys.map((key) => {
      const lease = found.get(leaseName(this.#prefix, key));
      return lease && foundOrForeign(() => documentIn(lease, key, this.description));
    });
  }

  async write(
    key: DocumentKey,
    text: string,
    { replaces, ttlMs }: DocumentWrite,
    bounds: CallBounds,
  ): Promise<string | undefined> {
    const { signal } = bounds;
    const body = leaseOf(this.#prefix, key, text, replaces, ttlMs, this.#runtime.clock.wallMs());
    const name = leaseName(this.#prefix, key);
    const what = `Writing in ${this.description}`;
    const lease =
      replaces === undefined
        ? await this.#requests.send<Lease>(what, { method: 'POST', body, signal })
        : await this.#requests.send<Lease>(what, { method: 'PATCH', name, body, signal });
    if (!(lease instanceof Declined)) return documentIn(lease, key, this.description).version;
    // Something on the way may have sent it twice: each text is unique, so what is ours is known.
    const standing = lease.code === 409 ? await this.read(key, bounds) : undefined;
    return standing?.text === text ? standing.version : undefined;
  }

  async remove(key: DocumentKey, version: string, { signal }: CallBounds): Promise<boolean> {
    const name = leaseName(this.#prefix, key);
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: identityOf(version) };
    const what = `Removing in ${this.description}`;
    const answer = await this.#requests.send<Lease>(what, { method: 'DELETE', name, body, signal });
    if (answer instanceof Declined) return false;
    if ((answer.metadata?.finalizers?.length ?? 0) === 0) return true;
    const message = `${what}: the Lease ${name} has finalizers (${answer.metadata?.finalizers}), so Kubernetes keeps it. Whatever adds them must leave it alone.`;
    throw new ConclaveError('failed-precondition', message, { outcome: 'unknown' });
  }

  async *changes(signal: AbortSignal): AsyncGenerator<DocumentChange, void, undefined> {
    const labelSelector = selector(this.#prefix);
    let { resourceVersion } = await this.#list({ labelSelector, limit: '1' }, signal);
    yield 'all';
    for (;;) {
      const watched = new AbortController();
      // A connection that died in silence would never say that the watch is over.
      const longestMs = watchSeconds * 1000 + watchGraceMs;
      const timer = this.#runtime.timers.after(longestMs, () => watched.abort(), { background: true });
      const query = {
        ...{ labelSelector, resourceVersion, allowWatchBookmarks: 'true' },
        timeoutSeconds: String(watchSeconds),
      };
      let heard = false;
      const begunMs = this.#runtime.clock.monotonicMs();
      try {
        for await (const { type, object } of this.#requests.watch(
          query,
          AbortSignal.any([signal, watched.signal]),
        )) {
          heard = true;
          // 410: so much happened that the server forgot where we were. Asked for again, this begins with a list.
          if (type === 'ERROR')
            throw this.#requests.explained(`Watching ${this.description}`, object, 'not-applied');
          resourceVersion = object.metadata?.resourceVersion ?? resourceVersion;
          const key = type === 'BOOKMARK' ? undefined : keyIn(object);
          if (key !== undefined) yield key;
        }
      } finally {
        timer.cancel();
        watched.abort();
      }
      if (signal.aborted) return;
      // Some servers end a watch from a version that they forgot without a word.
      if (!heard && this.#runtime.clock.monotonicMs() - begunMs < 1000) return;
    }
  }

  async list(prefix: string, { signal }: CallBounds): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const lease of this.#all('election', signal)) {
      const name = keyIn(lease)?.name;
      if (name?.startsWith(prefix)) names.push(name);
    }
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Requests are ended by their signals; the connections are the KubeConfig's, and do not keep a process alive.
  }

  async *#all(
    kind: DocumentKey['kind'] | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Lease, void, undefined> {
    const labelSelector = selector(this.#prefix, kind);
    let from = '';
    do {
      const page = await this.#list(
        { labelSelector, limit: pageSize, ...(from && { continue: from }) },
        signal,
      );
      yield* page.leases;
      from = page.from;
    } while (from !== '');
  }

  async #list(query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<LeasePage> {
    const what = `Listing ${this.description}`;
    const page = await this.#requests.send<LeaseList>(what, { method: 'GET', query, signal });
    if (page instanceof Declined) throw this.#requests.explained(what, { code: 500 }, 'not-applied');
    const { resourceVersion = '', continue: from = '' } = page.metadata ?? {};
    return { leases: page.items ?? [], resourceVersion, from };
  }

  #connect(): Promise<Cluster> {
    this.#cluster ??= this.#configure().catch((error: unknown) => {
      this.#cluster = undefined;
      throw error;
    });
    return this.#cluster;
  }

  async #configure(): Promise<Cluster> {
    const { kubeConfig } = this.#options;
    const library = await loadDriver('@kubernetes/client-node', () => import('@kubernetes/client-node'));
    const config = kubeConfig ?? new library.KubeConfig();
    if (kubeConfig === undefined) config.loadFromDefault();
    if (config.getCurrentCluster() === null) {
      const message = 'The KubeConfig names no cluster: set its current context, or run in a Pod.';
      throw new ConclaveError('failed-precondition', message);
    }
    const namespace = this.#options.namespace ?? namespaceOf(config);
    const place = `${config.getCurrentCluster()?.server}, namespace ${namespace}`;
    this.#place ??= place;
    // Credentials were refused, and are looked for again: elections elsewhere are other elections.
    if (place !== this.#place) {
      const message = `The KubeConfig now names ${place}, and this store is at ${this.#place}: open another store there.`;
      throw new ConclaveError('failed-precondition', message);
    }
    return { library, config, namespace };
  }
}

interface LeaseList {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly Lease[];
}

interface LeasePage {
  readonly leases: readonly Lease[];
  readonly resourceVersion: string;
  /** Where the next page begins; '': this was the last. */
  readonly from: string;
}

function namespaceOf(config: KubeConfig): string {
  return config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
}
