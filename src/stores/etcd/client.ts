import { Endpoints } from '../../client/endpoints.ts';
import {
  type CallOptions,
  type TransportFactory,
  type WatchBatch,
  type WatchCallOptions,
  type WatchOptions,
  waitWithin,
} from '../../client/index.ts';
import type { Link, SilenceLimits } from '../../client/link.ts';
import { Watches } from '../../client/watches.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import {
  type DeepPartial,
  type MethodDescriptor,
  RangeRequest,
  type RangeResponse,
  services,
  TxnRequest,
  type TxnResponse,
} from '../../wire/index.ts';
import {
  type Access,
  type Authentication,
  type Credentials,
  explained,
  withReason,
} from './authentication.ts';
import { LeaseKeepAlives } from './keep-alives.ts';

export interface EtcdClientParts {
  readonly endpoints: readonly string[];
  readonly transport: TransportFactory;
  readonly runtime: Runtime;
  readonly timeoutMs: number;
  readonly silence: SilenceLimits;
  readonly authentication: Authentication;
  readonly credentials: Credentials | undefined;
  /** For messages: what a user must be permitted to read and write. */
  readonly namespace: string;
}

interface Attempts {
  readonly changesNothing?: boolean;
  /** Not to be sent again once it may have been carried out. Default: it is, until there is an answer. */
  readonly once?: boolean;
  /** Called when an attempt may have been carried out, or may still come to be. */
  readonly onUnsure?: () => void;
  readonly onFailed?: (error: unknown) => void;
}

/** The least that one of several endpoints gets to answer, before another is asked. */
const MIN_ATTEMPT_MS = 300;
/** Logins for one call, before what is refused counts as the answer: a token may run out at any moment. */
const MAX_LOGINS = 3;
const OLDEST = [3, 4] as const;
const reading = { changesNothing: true };

/**
 * What the store needs of etcd's own API. A mutation without an answer is sent again, perhaps elsewhere, so it may be
 * carried out twice, and an attempt that was given up may be carried out late: transactions must bear both, but for
 * those sent by `txnOnce`.
 */
export class EtcdClient {
  readonly endpoints: readonly string[];
  readonly runtime: Runtime;
  readonly timeoutMs: number;
  readonly #endpoints: Endpoints;
  readonly #watches: Watches;
  readonly #keepAlives: LeaseKeepAlives;
  readonly #authentication: Authentication;
  readonly #access: Access;
  #versionKnown = false;
  /** Why nobody could log in yet: those who wait for it may have less time than the attempts. */
  #loginFailure: unknown;

  constructor(parts: EtcdClientParts) {
    this.endpoints = parts.endpoints;
    this.runtime = parts.runtime;
    this.timeoutMs = parts.timeoutMs;
    this.#endpoints = new Endpoints(parts);
    const shared = { ...parts, endpoints: this.#endpoints };
    this.#watches = new Watches(shared);
    this.#keepAlives = new LeaseKeepAlives(shared);
    this.#authentication = parts.authentication;
    this.#access = { ...parts, hasAnswered: false };
  }

  range(request: DeepPartial<RangeRequest>, options: CallOptions = {}): Promise<RangeResponse> {
    const whole = RangeRequest.create(request);
    return this.#call(services.KV.range, whole, 'Reading keys', options, reading);
  }

  /**
   * `onUnsure` is called when an attempt may have been carried out, or may still come to be.
   * @throws 'lease-lost' where a lease that it names is gone.
   */
  txn(
    request: DeepPartial<TxnRequest>,
    { onUnsure, ...options }: CallOptions & { readonly onUnsure?: () => void } = {},
  ): Promise<TxnResponse> {
    const attempts = onUnsure === undefined ? {} : { onUnsure };
    return this.#call(services.KV.txn, TxnRequest.create(request), 'The transaction', options, attempts);
  }

  /** Fails with outcome 'unknown' instead of being sent again. */
  txnOnce(request: DeepPartial<TxnRequest>, options: CallOptions = {}): Promise<TxnResponse> {
    const whole = TxnRequest.create(request);
    return this.#call(services.KV.txn, whole, 'The transaction', options, { once: true });
  }

  /** `ttlMs` is rounded up to whole seconds, and raised by etcd to its floor: what comes back counts. */
  async leaseGrant(
    ttlMs: number,
    options: CallOptions = {},
  ): Promise<{ readonly lease: bigint; readonly ttlMs: number }> {
    // Chosen here, so that one sent twice is one lease, and one whose answer was lost can be given back.
    const lease = this.#leaseId();
    const request = { TTL: Math.ceil(ttlMs / 1000), ID: lease };
    try {
      const granted = await this.#call(services.Lease.leaseGrant, request, 'Granting a lease', options);
      return { lease, ttlMs: granted.TTL * 1000 };
    } catch (error) {
      if (ConclaveError.is(error, 'already-exists')) return await this.#granted(lease, error, options);
      if (ConclaveError.is(error) && error.outcome === 'unknown') this.giveBack(lease);
      throw error;
    }
  }

  /** @throws 'lease-lost' where there is none. */
  async leaseRevoke(lease: bigint, options: CallOptions = {}): Promise<void> {
    await this.#call(services.Lease.leaseRevoke, { ID: lease }, 'Revoking a lease', options);
  }

  /** Revokes it if that can be done; otherwise it runs out. */
  giveBack(lease: bigint): void {
    this.leaseRevoke(lease, { timeoutMs: 1000 }).catch(() => {});
  }

  /** Resolves to the TTL in ms that the lease has again; 0: there is no such lease. */
  renewLease(lease: bigint, options: CallOptions = {}): Promise<number> {
    return this.#keepAlives.renew(lease, options);
  }

  /** As ConclaveClient.watch. */
  async *watch(
    request: WatchOptions,
    options: WatchCallOptions = {},
  ): AsyncGenerator<WatchBatch, void, undefined> {
    let startRevision = request.startRevision ?? 0;
    for (let logins = 1; ; logins += 1) {
      await this.#logIn(options);
      const token = this.#authentication.token;
      try {
        for await (const batch of this.#watches.watch({ ...request, startRevision }, options)) {
          startRevision = batch.revision + 1;
          logins = 1;
          yield batch;
        }
        return;
      } catch (error) {
        if (!this.#authentication.forget(error, token) || logins === MAX_LOGINS)
          throw explained(error, this.#access);
      }
      await this.#logIn(options);
      this.#watches.restart();
    }
  }

  /** Asks a member once. @throws 'unsupported' for one that is too old. */
  async checkVersion(options: CallOptions = {}): Promise<void> {
    if (this.#versionKnown) return;
    const what = 'Asking for the version';
    const { version } = await this.#call(services.Maintenance.status, {}, what, options, reading);
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const [oldestMajor, oldestMinor] = OLDEST;
    if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
      const message = `etcd at ${this.endpoints.join(', ')} is ${version}; the store needs ${OLDEST.join('.')} or later.`;
      throw new ConclaveError('unsupported', message);
    }
    this.#versionKnown = true;
  }

  close(): void {
    const cause = new ConclaveError('closed', 'The client of etcd was closed.');
    this.#watches.close(cause);
    this.#keepAlives.close(cause);
    this.#endpoints.close(cause);
  }

  /** What an earlier attempt of ours was granted. */
  async #granted(
    lease: bigint,
    cause: ConclaveError,
    options: CallOptions,
  ): Promise<{ readonly lease: bigint; readonly ttlMs: number }> {
    const request = { ID: lease, keys: false };
    const what = 'Asking for a lease';
    const found = await this.#call(services.Lease.leaseTimeToLive, request, what, options, reading);
    if (found.TTL > 0) return { lease, ttlMs: found.grantedTTL * 1000 };
    const message = 'The lease was granted and has run out before the answer was known.';
    throw new ConclaveError('unavailable', message, { retryable: true, cause });
  }

  #leaseId(): bigint {
    let id = 0n;
    for (const byte of this.runtime.random.bytes(8)) id = (id << 8n) | BigInt(byte);
    return BigInt.asUintN(63, id) || 1n;
  }

  async #logIn(options: CallOptions): Promise<void> {
    if (this.#authentication.isReady) return;
    const what = 'Logging in';
    const { timeoutMs } = this;
    // For all who wait, so within nobody's own time.
    const ask = async ({ user, password }: Credentials): Promise<string> => {
      const request = { name: user, password };
      const onFailed = (error: unknown) => {
        this.#loginFailure = error;
      };
      const attempts = { ...reading, onFailed };
      const given = await this.#attempts(services.Auth.authenticate, request, what, { timeoutMs }, attempts);
      this.#loginFailure = undefined;
      return given.token;
    };
    try {
      const ready = this.#authentication.ready(ask);
      await waitWithin(this.runtime, ready, `${what} to etcd at ${this.endpoints.join(', ')}`, {
        timeoutMs,
        ...options,
      });
    } catch (error) {
      throw explained(withReason(error, this.#loginFailure), this.#access);
    }
  }

  async #call<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    what: string,
    options: CallOptions,
    attempts: Attempts = {},
  ): Promise<Res> {
    const { timeoutMs = this.timeoutMs } = options;
    const { clock } = this.runtime;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    for (let logins = 1; ; logins += 1) {
      const within = { ...options, timeoutMs: Math.max(deadlineMs - clock.monotonicMs(), 1) };
      await this.#logIn(within);
      const token = this.#authentication.token;
      try {
        return await this.#attempts(method, request, what, within, attempts);
      } catch (error) {
        if (!this.#authentication.forget(error, token) || logins === MAX_LOGINS)
          throw explained(error, this.#access);
      }
    }
  }

  async #attempts<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    what: string,
    options: CallOptions,
    { changesNothing = false, once = false, onUnsure, onFailed }: Attempts,
  ): Promise<Res> {
    const { signal } = options;
    const answer = await this.#endpoints.run(
      `${what} at etcd`,
      { ...options, changesNothing },
      async (link, { timeoutMs: leftMs }): Promise<Res | Unsure> => {
        const timeoutMs = once ? leftMs : this.#attemptMs(leftMs);
        const unary = { timeoutMs, ...(signal === undefined ? {} : { signal }) };
        try {
          const answer = await link.unary(method, request, unary);
          this.#access.hasAnswered = true;
          return answer;
        } catch (error) {
          onFailed?.(error);
          if (ConclaveError.is(error) && error.outcome === 'not-applied') throw error;
          onUnsure?.();
          if (!once || !ConclaveError.is(error)) throw error;
          return new Unsure(error, link);
        }
      },
    );
    if (!(answer instanceof Unsure)) return answer;
    this.#endpoints.failed(answer.link);
    throw answer.error;
  }

  /** A member that is cut off answers nothing, and another may. */
  #attemptMs(leftMs: number): number {
    if (this.endpoints.length === 1) return leftMs;
    return Math.min(leftMs, Math.max(MIN_ATTEMPT_MS, leftMs / 2));
  }
}

/** Ends the attempts, though others would be allowed. */
class Unsure {
  readonly error: ConclaveError;
  readonly link: Link;

  constructor(error: ConclaveError, link: Link) {
    this.error = error;
    this.link = link;
  }
}
