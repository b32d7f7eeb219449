/** Requests for Lease objects through the user's KubeConfig, and what the API server's answers mean. */
import type { KubeConfig } from '@kubernetes/client-node';
import { ConclaveError, type ErrorOutcome } from '../../errors/index.ts';

type Library = typeof import('@kubernetes/client-node');

export interface Lease {
  readonly kind?: string;
  readonly metadata?: {
    readonly name?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly finalizers?: readonly string[];
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: { readonly acquireTime?: string; readonly leaseTransitions?: number };
}

/** What the API server answers where it does not do what was asked, also as the last event of a watch. */
export interface Status {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

export interface LeaseRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Of the Lease; absent: all of the namespace. */
  readonly name?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly signal: AbortSignal;
}

export interface Cluster {
  readonly library: Library;
  readonly config: KubeConfig;
  readonly namespace: string;
}

/** Not done, for a reason that the caller expects: 404 or 409. */
export class Declined {
  readonly code: number;

  constructor(code: number) {
    this.code = code;
  }
}

const mergePatch = 'application/merge-patch+json';

export class LeaseRequests {
  /** For messages. */
  readonly description: string;
  readonly #connect: () => Promise<Cluster>;
  readonly #onRefused: () => void;
  #namespace = '';

  /** `onRefused`: called when the credentials are not accepted. */
  constructor(description: string, connect: () => Promise<Cluster>, onRefused: () => void) {
    this.description = description;
    this.#connect = connect;
    this.#onRefused = onRefused;
  }

  async send<T>(what: string, request: LeaseRequest): Promise<T | Declined> {
    const outcome: ErrorOutcome = request.method === 'GET' ? 'not-applied' : 'unknown';
    let [code, text] = [0, ''];
    try {
      const response = await this.#open(request);
      [code, text] = [response.httpStatusCode, await response.body.text()];
    } catch (error) {
      throw this.#failed(what, error, outcome, request.signal);
    }
    if (code >= 200 && code < 300) return JSON.parse(text) as T;
    const status = parsed(text);
    // A POST is for the collection: what is missing then is the namespace, or the API.
    if (code === 409 || (code === 404 && request.name !== undefined)) return new Declined(code);
    throw this.explained(what, { ...status, code }, outcome);
  }

  /** The events of a watch, one line each; ends when the server ends it. */
  async *watch(
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly type: string; readonly object: Lease & Status }, void, undefined> {
    const what = `Watching ${this.description}`;
    try {
      const response = await this.#open({ method: 'GET', query: { ...query, watch: 'true' }, signal });
      if (response.httpStatusCode !== 200) {
        const status = parsed(await response.body.text());
        throw this.explained(what, { ...status, code: response.httpStatusCode }, 'not-applied');
      }
      const decoder = new TextDecoder();
      let rest = '';
      for await (const chunk of response.body.stream() ?? []) {
        const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line.trim() !== '') yield JSON.parse(line);
      }
    } catch (error) {
      throw this.#failed(what, error, 'not-applied', signal);
    }
  }

  explained(what: string, { code = 0, reason, message }: Status, outcome: ErrorOutcome): ConclaveError {
    const said = message ?? reason ?? `HTTP status ${code}`;
    const mend = (advice: string) => new ConclaveError('failed-precondition', `${what}: ${advice}`);
    if (code === 401) {
      return mend(
        'the API server does not accept the credentials of the KubeConfig (401): renew or replace them.',
      );
    }
    if (code === 403) {
      return mend(
        `not allowed (${said}). Bind a Role that allows get, list, watch, create, patch and delete on leases of coordination.k8s.io in namespace ${this.#namespace}.`,
      );
    }
    if (code === 404 && /namespaces/.test(said)) {
      return mend(`there is no such namespace: kubectl create namespace ${this.#namespace}`);
    }
    if (code === 404) {
      const message = `${what}: the server has no leases of coordination.k8s.io/v1; Kubernetes 1.14 or later is needed.`;
      return new ConclaveError('unsupported', message);
    }
    if (code === 413 || (code === 422 && /too long|too large/i.test(said))) {
      const message = `${what}: an object's annotations take 256 KiB (${said}): shorten metadata and records.`;
      return new ConclaveError('too-large', message);
    }
    if (code === 429) {
      // Refused before it was looked at.
      return new ConclaveError('unavailable', `${what}: the API server asks to come more slowly.`, {
        retryable: true,
      });
    }
    if (code >= 400 && code < 500 && code !== 408 && code !== 410) return mend(said);
    const timedOut = code === 408 || code === 504;
    return new ConclaveError(timedOut ? 'timeout' : 'unavailable', `${what} failed: ${said}`, {
      ...{ retryable: true, outcome },
    });
  }

  #failed(what: string, error: unknown, outcome: ErrorOutcome, signal: AbortSignal): ConclaveError {
    if (ConclaveError.is(error)) return error;
    if (signal.aborted)
      return new ConclaveError('aborted', `${what} was aborted.`, { outcome, cause: error });
    const { message, cause } = (error ?? {}) as { message?: unknown; cause?: { message?: unknown } };
    const reason = cause?.message ?? message ?? error;
    return new ConclaveError('unavailable', `${what} failed: ${reason}`, {
      ...{ retryable: true, outcome, cause: error },
    });
  }

  async #open({ method, name, query = {}, body, signal }: LeaseRequest) {
    const { library, config, namespace } = await this.#connect();
    this.#namespace = namespace;
    const server = config.getCurrentCluster()?.server.replace(/\/$/, '');
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
    const request = new library.RequestContext(
      `${server}${path}${name === undefined ? '' : `/${name}`}`,
      library.HttpMethod[method],
    );
    for (const [parameter, value] of Object.entries(query)) request.setQueryParam(parameter, value);
    request.setHeaderParam('Accept', 'application/json');
    request.setHeaderParam('User-Agent', 'conclave');
    if (body !== undefined) {
      request.setHeaderParam('Content-Type', method === 'PATCH' ? mergePatch : 'application/json');
      request.setBody(JSON.stringify(body));
    }
    request.setSignal(signal);
    await config.applySecurityAuthentication(request).catch((cause: unknown) => {
      const message = `The KubeConfig cannot be used: ${cause instanceof Error ? cause.message : cause}`;
      throw new ConclaveError('failed-precondition', message, { cause });
    });
    const response = await library.createConfiguration().httpApi.send(request).toPromise();
    if (response.httpStatusCode === 401) this.#onRefused();
    return response;
  }
}

function parsed(text: string): Status {
  try {
    return JSON.parse(text) as Status;
  } catch {
    return { message: text.slice(0, 200) };
  }
}
