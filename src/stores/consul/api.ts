/** The few calls of Consul's HTTP API that the store needs, and what its refusals mean to a user. */
import { ConclaveError } from '../../errors/index.ts';
import type { CallBounds } from '../documents/driver.ts';

export interface ConsulAccess {
  /** Of an agent or a server. Default 'http://127.0.0.1:8500'. */
  readonly url?: string | undefined;
  /** The secret id of an ACL token. */
  readonly token?: string | undefined;
  /** Default: the agent's. All candidates of an election must name the same. */
  readonly datacenter?: string | undefined;
  /** Of Consul Enterprise. */
  readonly namespace?: string | undefined;
  /** Of Consul Enterprise. */
  readonly partition?: string | undefined;
  /** Your own, for certificates or a proxy. Default: the global one. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

export interface Entry {
  readonly Key: string;
  /** In base64; null where it is empty. */
  readonly Value: string | null;
  readonly Flags: number;
  readonly ModifyIndex: number;
}

interface Call {
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Whether it can have changed anything. */
  readonly changes: boolean;
}

/** Answers that are no failures of the call itself. */
const expected = [200, 404, 409];
const unreached = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/;

export class ConsulApi {
  readonly description: string;
  readonly #base: string;
  readonly #prefix: string;
  readonly #where: Readonly<Record<string, string>>;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: typeof globalThis.fetch;

  constructor({ url = 'http://127.0.0.1:8500', token, ...more }: ConsulAccess, prefix: string) {
    const { datacenter, namespace, partition, fetch = globalThis.fetch } = more;
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (!/^https?:$/.test(parsed?.protocol ?? '') || parsed?.username || parsed?.password || parsed?.search) {
      // It may hold a password.
      const message =
        "url must be like 'http://127.0.0.1:8500', without user and password: give the ACL token as token.";
      throw new ConclaveError('invalid-argument', message);
    }
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
      throw new ConclaveError('invalid-argument', 'token must be the secret id of an ACL token, not empty.');
    }
    this.#base = `${parsed?.origin}${parsed?.pathname.replace(/\/$/, '')}`;
    this.#prefix = prefix;
    this.#where = {
      ...(datacenter !== undefined && { dc: datacenter }),
      ...(namespace !== undefined && { ns: namespace }),
      ...(partition !== undefined && { partition }),
    };
    this.#headers = token === undefined ? {} : { 'X-Consul-Token': token };
    this.#fetch = fetch;
    this.description = `Consul at ${parsed?.host}`;
  }

  /** Confirmed by a majority. */
  async get(key: string, bounds: CallBounds): Promise<Entry | undefined> {
    const query = { consistent: '' };
    const { body } = await this.#call({ method: 'GET', path: `kv/${key}`, query, changes: false }, bounds);
    return (body as readonly Entry[] | null)?.[0];
  }

  async keys(prefix: string, bounds: CallBounds): Promise<readonly string[]> {
    const query = { keys: '', consistent: '' };
    const { body } = await this.#call({ method: 'GET', path: `kv/${prefix}`, query, changes: false }, bounds);
    return (body as readonly string[] | null) ?? [];
  }

  /** `blocking`: answers when the index is above the one given, or the time is over; as the leader sees it. */
  async list(
    prefix: string,
    bounds: CallBounds,
    blocking?: { readonly index: number; readonly waitSeconds: number },
  ): Promise<{ readonly index: number; readonly entries: readonly Entry[] }> {
    const mode: Readonly<Record<string, string>> =
      blocking === undefined
        ? { consistent: '' }
        : { index: String(blocking.index), wait: `${blocking.waitSeconds}s` };
    const query = { recurse: '', ...mode };
    const { body, index } = await this.#call(
      { method: 'GET', path: `kv/${prefix}`, query, changes: false },
      bounds,
    );
    return { index, entries: (body as readonly Entry[] | null) ?? [] };
  }

  /**
   * All operations or none. `entries`: undefined where it was refused for a reason that `race` knows.
   * Those that delete have no entry.
   */
  async transact(
    operations: readonly object[],
    changes: boolean,
    bounds: CallBounds,
    race = /^$/,
  ): Promise<{ readonly entries: readonly Entry[] | undefined }> {
    const query: Readonly<Record<string, string>> = changes ? {} : { consistent: '' };
    const call = { method: 'PUT', path: 'txn', query, body: JSON.stringify(operations), changes } as const;
    const { status, body } = await this.#call(call, bounds);
    if (status === 200) {
      const { Results } = body as { readonly Results?: readonly { readonly KV?: Entry }[] | null };
      return { entries: (Results ?? []).flatMap(({ KV }) => (KV === undefined ? [] : [KV])) };
    }
    const { Errors } = body as { readonly Errors?: readonly { readonly What?: string }[] | null };
    const reasons = (Errors ?? []).map(({ What = '' }) => What);
    const first = reasons[0] ?? 'without a reason';
    if (reasons.length > 0 && reasons.every((reason) => race.test(reason))) return { entries: undefined };
    throw this.#refusal(status, first, false);
  }

  async #call(
    { method, path, query = {}, body, changes }: Call,
    { signal }: CallBounds,
  ): Promise<{ readonly status: number; readonly body: unknown; readonly index: number }> {
    const search = new URLSearchParams({ ...this.#where, ...query });
    const url = `${this.#base}/v1/${path}?${search}`;
    const init = {
      method,
      headers: this.#headers,
      signal,
      redirect: 'manual',
      ...(body && { body }),
    } as const;
    let response: Response;
    let text: string;
    try {
      response = await this.#fetch(url, init).catch((error: unknown) => {
        // A connection that was kept, and that the server closed meanwhile: another one may do.
        if (changes || signal.aborted) throw error;
        return this.#fetch(url, init);
      });
      text = await response.text();
    } catch (cause) {
      throw this.#unanswered(cause, changes, signal);
    }
    if (!expected.includes(response.status)) throw this.#refusal(response.status, text, changes);
    const index = Number(response.headers.get('X-Consul-Index') ?? Number.NaN);
    // What is missing comes with an index; a transaction never does.
    if (path !== 'txn' && !Number.isSafeInteger(index)) throw this.#stranger(response.status);
    if (response.status === 404) {
      if (path === 'txn') throw this.#stranger(response.status);
      return { status: 404, body: null, index };
    }
    try {
      return { status: response.status, body: JSON.parse(text), index };
    } catch {
      throw this.#stranger(response.status);
    }
  }

  #unanswered(cause: unknown, changes: boolean, signal: AbortSignal): ConclaveError {
    if (signal.aborted) return ConclaveError.aborted(`Asking ${this.description}`, signal);
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
    const { code = '', message = String(reason) } = (reason ?? {}) as { code?: string; message?: string };
    return new ConclaveError('unavailable', `${this.description} gives no answer: ${message || code}`, {
      retryable: true,
      outcome: changes && !unreached.test(code) ? 'unknown' : 'not-applied',
      cause,
    });
  }

  #stranger(status: number): ConclaveError {
    return new ConclaveError(
      'failed-precondition',
      `${this.description} does not answer as Consul does (status ${status}): look at url.`,
    );
  }

  /** @param changes whether it may have been carried out all the same */
  #refusal(status: number, text: string, changes: boolean): ConclaveError {
    const said = text.trim().slice(0, 300);
    if (status === 401 || status === 403 || /permission denied|ACL not found/i.test(said)) {
      return new ConclaveError(
        'failed-precondition',
        `${this.description} refuses the ACL token (${said}): give one whose policy has key_prefix ${JSON.stringify(this.#prefix)} { policy = "write" }.`,
      );
    }
    if (status === 413) return new ConclaveError('too-large', `${this.description}: ${said}`);
    if (status === 429) {
      const message = `${this.description} limits requests (${said}): look at its limits, or take a longer TTL.`;
      return new ConclaveError('too-many-requests', message, { retryable: true });
    }
    if (status < 500 || /no path to datacenter/i.test(said)) {
      const message = `${this.description} refuses (status ${status}): ${said || 'no reason given'}. Look at url, datacenter, namespace and partition.`;
      // A transaction that failed for a reason of its own may do better the next time.
      return new ConclaveError('failed-precondition', message, { retryable: status === 409 });
    }
    return new ConclaveError('unavailable', `${this.description} cannot answer (status ${status}): ${said}`, {
      retryable: true,
      outcome: changes && !/no cluster leader/i.test(said) ? 'unknown' : 'not-applied',
    });
  }
}
