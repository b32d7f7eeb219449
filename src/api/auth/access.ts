import type {
  AuthReader,
  Command,
  CommandAuthor,
  CommandFailure,
  CommandResult,
  Access as KeyAccess,
  Login,
} from '../../keyspace/types.ts';
import type { MemberHandle, ProposeOptions } from '../../member/types.ts';
import type { BackgroundWork } from '../background.ts';
import { commandFailure, failure, type StatusError } from '../status.ts';
import type { CallContext } from '../types.ts';
import { forCaller, untilLeft } from '../waiting.ts';
import type { TokenContent, Tokens } from './tokens.ts';

/** What a whole method asks of its caller; `keys`: its handler looks at the keys itself. */
export type Requirement = 'nothing' | 'keys' | 'user' | 'root';

/** Changes of users and roles that may come between the look at a command here and its application. */
const mostAttempts = 32;
const noBytes = new Uint8Array(0);

/** Who opened a stream. `login`: undefined where a certificate says who it is, or nobody asks. */
export interface Caller {
  readonly user: string | undefined;
  readonly login: Login | undefined;
}

interface Range {
  readonly access: KeyAccess;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

/**
 * Who calls, and whether it may. A refusal is given only by a member that knows everything committed before it was
 * asked: one that lags catches up first. With auth disabled all of it is one look at a flag.
 */
export class Access {
  readonly #member: MemberHandle;
  readonly #tokens: Tokens;
  readonly #background: BackgroundWork;
  /** Tokens that are being extended. */
  readonly #extending = new Set<string>();
  /** Calls whose token was valid when they began. */
  readonly #begun = new WeakSet<CallContext>();

  constructor(member: MemberHandle, tokens: Tokens, background: BackgroundWork) {
    this.#member = member;
    this.#tokens = tokens;
    this.#background = background;
  }

  get enabled(): boolean {
    return this.#member.keyspace.auth.enabled;
  }

  /** Another number whenever users, roles or whether they count have changed. 0: they do not. */
  get version(): number {
    const { auth } = this.#member.keyspace;
    return auth.enabled ? auth.revision : 0;
  }

  /** Who calls, as this member knows it now; undefined where it did not say, or nobody asks. @throws StatusError */
  author(context: CallContext): CommandAuthor | undefined {
    const { auth } = this.#member.keyspace;
    if (!auth.enabled) return undefined;
    const { token, connection } = context;
    if (token !== undefined) return { user: this.#userOf(token, context), authRevision: auth.revision };
    if (connection.commonName === undefined) return undefined;
    return { user: connection.commonName, authRevision: auth.revision };
  }

  /** Runs `read` in the turn in which the caller was found to be allowed to read the range. @throws StatusError */
  async reading<T>(
    context: CallContext,
    range: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array },
    read: () => T,
  ): Promise<T> {
    if (!this.enabled) return read();
    const wanted = { access: 'read', key: range.key, rangeEnd: range.rangeEnd } as const;
    return this.#allowed(context, () => this.#rangeRefusal(context, wanted), read);
  }

  /** The same for keys that only the state can tell, looked up in that turn. @throws StatusError */
  async readingKeys<T>(context: CallContext, keysOf: () => readonly Uint8Array[], read: () => T): Promise<T> {
    if (!this.enabled) return read();
    const look = (): StatusError | undefined => {
      for (const key of keysOf()) {
        const refusal = this.#rangeRefusal(context, { access: 'read', key, rangeEnd: noBytes });
        if (refusal !== undefined) return refusal;
      }
      return undefined;
    };
    return this.#allowed(context, look, read);
  }

  /** The same where a range is to be watched. Undefined: it may. */
  async watchRefusal(context: CallContext, range: Range): Promise<StatusError | undefined> {
    const refusal = this.#rangeRefusal(context, range);
    if (refusal === undefined) return undefined;
    await this.#member.readBarrier(untilLeft(context));
    return this.#rangeRefusal(context, range);
  }

  /** Who calls, for `stillReads`. @throws StatusError */
  caller(context: CallContext): Caller {
    const user = this.author(context)?.user;
    if (user === undefined || context.token === undefined) return { user, login: undefined };
    return { user, login: this.#tokens.read(this.#member.keyspace.auth, context.token)?.login };
  }

  /**
   * Whether who was let in before may still read the range, now that users or roles have changed. That the token's time
   * has run out does not count; that its user or password is another, does.
   */
  stillReads({ user, login }: Caller, key: Uint8Array, rangeEnd: Uint8Array): StatusError | undefined {
    const { auth } = this.#member.keyspace;
    if (!auth.enabled) return undefined;
    if (login !== undefined && !stands(auth, login)) return failure('invalidToken');
    const author = user === undefined ? undefined : { user, authRevision: auth.revision };
    return asStatus(auth.checkRange(author, 'read', key, rangeEnd));
  }

  /**
   * For each request of a stream: what is asked for now takes a token that is valid now, though the stream, and what was
   * asked for before, go on without.
   */
  askedAnew(context: CallContext): void {
    if (this.enabled) this.#begun.delete(context);
  }

  /** @throws StatusError */
  async require(requirement: Requirement, context: CallContext): Promise<void> {
    if (!this.enabled || requirement === 'nothing' || requirement === 'keys') return;
    const look = (): StatusError | undefined => {
      const { auth } = this.#member.keyspace;
      return this.#refusal(context, (author) =>
        requirement === 'root' ? auth.checkAdmin(author) : auth.checkUser(author),
      );
    };
    await this.#allowed(context, look, () => undefined);
  }

  /** The same for one request of a stream: who was let in when it began may be nobody by now. @throws StatusError */
  async requireAnew(requirement: Requirement, context: CallContext): Promise<void> {
    this.askedAnew(context);
    await this.require(requirement, context);
  }

  /**
   * An incarnation answers for what was proposed under it, with results that others may not see; so it is of use only
   * to the user that registered it. @throws StatusError
   */
  async requireOwnClient(context: CallContext, incarnation: number): Promise<void> {
    if (!this.enabled) return;
    const look = (): StatusError | undefined =>
      this.#refusal(context, (author) => {
        const owned = author !== undefined && this.#member.keyspace.clientOwner(incarnation) === author.user;
        return owned ? undefined : 'unknown-incarnation';
      });
    await this.#allowed(context, look, () => undefined);
  }

  /**
   * Proposes for the caller. What may not be is refused before it reaches the log; what changed on the way is found
   * when it is applied, and looked at again.
   */
  propose(context: CallContext, command: Command, options: ProposeOptions = {}): Promise<CommandResult> {
    // Who says nothing of itself is answered alike, whatever was enabled meanwhile: no promise more than needed.
    const asIs = !this.enabled && !saysWho(context);
    if (asIs) return this.#member.propose(command, forCaller(context, options));
    return this.#proposeAs(context, command, options);
  }

  async #proposeAs(context: CallContext, command: Command, options: ProposeOptions): Promise<CommandResult> {
    for (let attempt = 1; ; attempt++) {
      const look = () => this.#commandRefusal(context, command);
      const author = this.enabled
        ? await this.#allowed(context, look, () => this.author(context))
        : undefined;
      // What was waited for until now is no longer left.
      const wanted = forCaller(context, options);
      const result = await this.#member.propose(
        command,
        author === undefined ? wanted : { ...wanted, author },
      );
      const { outcome } = result;
      if (outcome.type !== 'failed') return result;
      const stale = this.#isStale(outcome.failure, author, context);
      if (!stale || attempt === mostAttempts) return result;
      await this.#member.readBarrier(untilLeft(context));
    }
  }

  /** The command met other users and roles than this member knew: it was not applied, and may be once we know them. */
  #isStale(reason: CommandFailure, author: CommandAuthor | undefined, context: CallContext): boolean {
    if (reason === 'auth-revision-old') return true;
    return reason === 'user-name-empty' && author === undefined && saysWho(context);
  }

  /** Runs `then` in the turn in which `look` finds no reason against it: now, or once this member has caught up. */
  async #allowed<T>(context: CallContext, look: () => StatusError | undefined, then: () => T): Promise<T> {
    if (look() === undefined) return then();
    await this.#member.readBarrier(untilLeft(context));
    const refusal = look();
    if (refusal !== undefined) throw refusal;
    return then();
  }

  #commandRefusal(context: CallContext, command: Command): StatusError | undefined {
    return this.#refusal(context, (author) => this.#member.keyspace.checkCommand(command, author));
  }

  #rangeRefusal(context: CallContext, { access, key, rangeEnd }: Range): StatusError | undefined {
    const { auth } = this.#member.keyspace;
    return this.#refusal(context, (author) => auth.checkRange(author, access, key, rangeEnd));
  }

  #refusal(
    context: CallContext,
    check: (author: CommandAuthor | undefined) => CommandFailure | undefined,
  ): StatusError | undefined {
    try {
      return asStatus(check(this.author(context)));
    } catch (error) {
      return error as StatusError;
    }
  }

  /** @throws StatusError for a token that is none, or none any more. */
  #userOf(token: string, context: CallContext): string {
    const { auth } = this.#member.keyspace;
    const content = this.#tokens.read(auth, token);
    if (content === undefined) throw failure('invalidToken');
    const { login, issuedMs, ttlMs, id } = content;
    const nowMs = this.#member.clusterTimeMs();
    const expiresMs = auth.tokenExpiresMs(id) ?? issuedMs + ttlMs;
    // A call that began in time goes on: a watch, or a wait for a lock, may last for days.
    if (!stands(auth, login) || (nowMs > expiresMs && !this.#begun.has(context)))
      throw failure('invalidToken');
    this.#begun.add(context);
    if (expiresMs - nowMs < ttlMs / 2 && nowMs <= expiresMs) this.#extend(content);
    return login.user;
  }

  #extend({ id, login, ttlMs }: TokenContent): void {
    const name = Buffer.from(id).toString('base64url');
    if (this.#extending.has(name)) return;
    this.#extending.add(name);
    const command = { type: 'extendToken', tokenId: id, login, ttlMs } as const;
    // Once: who uses the token next asks again, and would have it tried over and over beside the others that failed.
    this.#background.attempt('extend a token', () =>
      this.#member.propose(command).finally(() => this.#extending.delete(name)),
    );
  }
}

/** Same user, same password, and auth not disabled since. */
function stands(auth: AuthReader, login: Login): boolean {
  const { credentialRevision } = auth.user(login.user) ?? {};
  return login.enabledRevision === auth.enabledRevision && login.credentialRevision === credentialRevision;
}

function saysWho({ token, connection }: CallContext): boolean {
  return token !== undefined || connection.commonName !== undefined;
}

function asStatus(reason: CommandFailure | undefined): StatusError | undefined {
  return reason === undefined ? undefined : commandFailure(reason);
}
