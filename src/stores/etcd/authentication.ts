import { ConclaveError } from '../../errors/index.ts';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** What every call is sent with: a member without a leader refuses at once, and the token of who is logged in. */
export class Authentication {
  readonly #credentials: Credentials | undefined;
  #token: string | undefined;
  #known = false;
  #under: Promise<void> | undefined;

  constructor(credentials: Credentials | undefined) {
    this.#credentials = credentials;
    this.#known = credentials === undefined;
  }

  readonly headers = (): Readonly<Record<string, string>> =>
    this.#token === undefined ? { hasleader: 'true' } : { hasleader: 'true', token: this.#token };

  get isReady(): boolean {
    return this.#known;
  }

  /** Resolves when logged in, unless that is not wanted. `ask` gives the token; one asks for all who wait. */
  async ready(ask: (credentials: Credentials) => Promise<string>): Promise<void> {
    const credentials = this.#credentials;
    if (this.#known || credentials === undefined) return;
    this.#under ??= this.#logIn(credentials, ask).finally(() => {
      this.#under = undefined;
    });
    await this.#under;
  }

  /**
   * Whether the call failed for its token: tokens run out, and are unknown to a member that restarted. If so, `ready`
   * logs in again. `sentWith`: the token at the time of the call.
   */
  forget(error: unknown, sentWith: string | undefined): boolean {
    if (this.#credentials === undefined || !ConclaveError.is(error) || !staleToken.test(error.message))
      return false;
    if (this.#token === sentWith) {
      this.#known = false;
      // A login that is sent with a token that has run out is refused for that.
      this.#token = undefined;
    }
    return true;
  }

  get token(): string | undefined {
    return this.#token;
  }

  async #logIn(credentials: Credentials, ask: (credentials: Credentials) => Promise<string>): Promise<void> {
    try {
      this.#token = await ask(credentials);
    } catch (error) {
      // Then nobody asks for a token.
      if (!ConclaveError.is(error) || !/authentication is not enabled/.test(error.message)) throw error;
      this.#token = undefined;
    }
    this.#known = true;
  }
}

const staleToken = /invalid auth token|user name is empty|revision of auth store is old/;

const untrusted = /self-signed certificate|unable to (verify|get) /;
const trust =
  'The certificate is not signed by an authority that is trusted here: name that one in tls.certificateAuthority of etcdStore, or in NODE_EXTRA_CA_CERTS.';

/** Who speaks TLS to a port without it hears nothing, or that its connection was closed. */
const withoutTls =
  /\b(at|to) https:\/\/.*(no answer in time|could not be made|secure TLS connection|wrong version number|packet length|ECONNRESET)/s;
const noTls =
  'Does that port speak TLS? One that does not is written http://, or etcd:// in the URL of a store.';

const noSpace =
  "etcd's quota is used up, or was (alarm NOSPACE): etcdctl compact and defrag, or raise --quota-backend-bytes, then etcdctl alarm disarm.";

export interface Access {
  readonly endpoints: readonly string[];
  readonly namespace: string;
  readonly credentials: Credentials | undefined;
  /** Somebody has answered, so what was asked for TLS speaks it. */
  hasAnswered: boolean;
}

/** Who had less time than the attempts is told what became of them so far. */
export function withReason(error: unknown, last: unknown): unknown {
  if (!ConclaveError.is(error, 'timeout') || !(last instanceof Error)) return error;
  if (error.message.includes(last.message)) return error;
  const { retryable, outcome, details } = error;
  const message = `${error.message} The last attempt failed: ${last.message}`;
  return new ConclaveError('timeout', message, { retryable, outcome, details, cause: last });
}

/** The same error, with where it happened and what to do about it. */
export function explained(error: unknown, access: Access): unknown {
  if (!ConclaveError.is(error)) return error;
  const { outcome, details } = error;
  const remedy = remedyFor(error.message, access);
  if (remedy === undefined) {
    const advice = error.message.includes('database space exceeded')
      ? noSpace
      : adviceOnTls(error.message, access);
    if (advice === undefined) return error;
    const { code, retryable } = error;
    return new ConclaveError(code, `${error.message.replace(/\.?$/, '.')} ${advice}`, {
      outcome,
      details,
      retryable,
      cause: error,
    });
  }
  const message = `etcd at ${access.endpoints.join(', ')}: ${error.message}: ${remedy}`;
  return new ConclaveError('failed-precondition', message, {
    outcome,
    details,
    cause: error,
  });
}

function adviceOnTls(text: string, { hasAnswered }: Access): string | undefined {
  if (untrusted.test(text)) return trust;
  return !hasAnswered && withoutTls.test(text) && !/certificate/.test(text) ? noTls : undefined;
}

function remedyFor(text: string, { namespace, credentials }: Access): string | undefined {
  const user = credentials?.user;
  if (text.includes('permission denied')) {
    const role = user === undefined ? 'a role' : `a role of "${user}"`;
    return `grant ${role} readwrite on the prefix ${namespace}/, which is the store's namespace.`;
  }
  if (text.includes('authentication failed')) return 'check user and password.';
  if (staleToken.test(text) && user === undefined)
    return 'etcd wants a login: give user and password, or ETCDCTL_USER and ETCDCTL_PASSWORD, which openStore and the commands read.';
  return undefined;
}
