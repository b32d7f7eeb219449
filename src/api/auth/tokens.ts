import { createHmac, timingSafeEqual } from 'node:crypto';
import type { AuthReader, Login, UserInfo } from '../../keyspace/types.ts';

/** What a token says. */
export interface TokenContent {
  readonly id: Uint8Array;
  readonly login: Login;
  /** In cluster time. */
  readonly issuedMs: number;
  readonly ttlMs: number;
}

/** Tokens that were verified lately: the signature of each is worked out once. */
const mostRemembered = 4096;
/** Nobody's user name makes a token as long as that. */
const longestToken = 8192;
const idBytes = 12;

type Fields = readonly [
  id: string,
  user: string,
  credentialRevision: number,
  enabledRevision: number,
  issuedMs: number,
  ttlMs: number,
];

/**
 * Makes tokens and reads them: `fields.signature`, both in base64url. What makes a token void besides its time is
 * told in `keyspace/auth`; that of another cluster, or of one restored from a backup of this, fails its signature.
 */
export class Tokens {
  readonly #clusterId: number;
  readonly #verified = new Map<string, TokenContent>();

  constructor(clusterId: number) {
    this.#clusterId = clusterId;
  }

  issue(auth: AuthReader, content: Omit<TokenContent, 'id'>, draw: (length: number) => Uint8Array): string {
    const { login, issuedMs, ttlMs } = content;
    const id = Buffer.from(draw(idBytes)).toString('base64url');
    const fields: Fields = [id, login.user, login.credentialRevision, login.enabledRevision, issuedMs, ttlMs];
    const text = Buffer.from(JSON.stringify(fields)).toString('base64url');
    return `${text}.${this.#sign(auth, text).toString('base64url')}`;
  }

  /** What the token says, if it was signed under the present key; whether that is still so is not looked at. */
  read(auth: AuthReader, token: string): TokenContent | undefined {
    const known = this.#verified.get(token);
    // The key changes with the revision at which auth was enabled.
    if (known?.login.enabledRevision === auth.enabledRevision) return known;
    const content = this.#verify(auth, token);
    if (content !== undefined) this.#remember(token, content);
    return content;
  }

  /**
   * Whose password is checked in place of that of a user that there is not: always the same one for a name, which nobody
   * can work out, so that the time tells no more of it than of a user that there is.
   */
  standInFor(auth: AuthReader, name: string): UserInfo | undefined {
    return auth.userWithPassword(this.#sign(auth, `no user ${name}`).readUInt32LE(0));
  }

  #verify(auth: AuthReader, token: string): TokenContent | undefined {
    if (token.length > longestToken) return undefined;
    const [text = '', signature = '', ...more] = token.split('.');
    const wanted = this.#sign(auth, text);
    const given = Buffer.from(signature, 'base64url');
    if (more.length > 0 || given.length !== wanted.length || !timingSafeEqual(given, wanted))
      return undefined;
    // We wrote it ourselves, so it is what it should be.
    const fields = JSON.parse(Buffer.from(text, 'base64url').toString()) as Fields;
    const [id, user, credentialRevision, enabledRevision, issuedMs, ttlMs] = fields;
    const login = { user, credentialRevision, enabledRevision };
    return { id: Buffer.from(id, 'base64url'), login, issuedMs, ttlMs };
  }

  #sign(auth: AuthReader, text: string): Buffer {
    return createHmac('sha256', auth.tokenKey).update(`${this.#clusterId}.${text}`).digest();
  }

  #remember(token: string, content: TokenContent): void {
    if (this.#verified.size >= mostRemembered) {
      const [oldest] = this.#verified.keys();
      if (oldest !== undefined) this.#verified.delete(oldest);
    }
    this.#verified.set(token, content);
  }
}
