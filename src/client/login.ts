import { ConclaveError } from '../errors/index.ts';
import { services } from '../wire/index.ts';
import type { Transport } from './transport.ts';

/** Who a client is. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

const loginTimeoutMs = 5000;

/** A client's token: asked for with the first call, and again when it has run out. All members take the same. */
export class Login {
  readonly #credentials: Credentials;
  #token: string | undefined;
  /** The server said that nobody is asked for a token. */
  #unneeded = false;
  #under: Promise<void> | undefined;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  get ready(): boolean {
    return this.#unneeded || this.#token !== undefined;
  }

  /** Undefined before the login, and where auth is disabled. */
  get token(): string | undefined {
    return this.#token;
  }

  /** Logs in over `transport`, unless that is done or under way. @throws ConclaveError 'unauthenticated' */
  async make(transport: Transport): Promise<void> {
    if (this.ready) return;
    this.#under ??= this.#ask(transport).finally(() => {
      this.#under = undefined;
    });
    await this.#under;
  }

  /**
   * Whether a call failed because the token that it was sent with is none any more, or because auth was enabled after
   * we were told that nobody needs one. It was not applied then, and is to be sent again after another login.
   */
  isStale(error: unknown, sentWith: string | undefined): boolean {
    if (!ConclaveError.is(error) || !staleTexts.test(error.message)) return false;
    if (this.#token === sentWith) {
      this.#token = undefined;
      this.#unneeded = false;
    }
    return true;
  }

  async #ask(transport: Transport): Promise<void> {
    const { username: name, password } = this.#credentials;
    try {
      const options = { timeoutMs: loginTimeoutMs };
      this.#token = (await transport.unary(services.Auth.authenticate, { name, password }, options)).token;
    } catch (error) {
      if (!ConclaveError.is(error)) throw error;
      if (!/authentication is not enabled/.test(error.message)) throw explained(error, name);
      this.#unneeded = true;
    }
  }
}

/** What a call is refused with whose token is none any more, or that had none when one was asked for. */
export const staleTexts = /invalid auth token|user name is empty/;

/** Nothing was asked for yet, so nothing was applied. */
function explained(error: ConclaveError, name: string): ConclaveError {
  const { retryable, details } = error;
  if (!/authentication failed/.test(error.message)) {
    return new ConclaveError(error.code, error.message, { retryable, details, cause: error });
  }
  const message = `The cluster does not take user "${name}" with this password (or there is no such user).`;
  return new ConclaveError('unauthenticated', message, { details, cause: error });
}

/** @throws 'invalid-argument' */
export function checkCredentials(
  username: string | undefined,
  password: string | undefined,
): Credentials | undefined {
  if (username === undefined && password === undefined) return undefined;
  if (typeof username === 'string' && username !== '' && typeof password === 'string') {
    return { username, password };
  }
  throw new ConclaveError('invalid-argument', 'username and password are of use only together, as texts.');
}
