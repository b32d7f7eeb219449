/** URLs of stores: like those of databases, with several hosts. What nobody asked for is refused. */
import { ConclaveError } from '../errors/index.ts';
import { nearest } from '../errors/option-names.ts';

const shape = /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i;
const hostAndPort = /^(\[[0-9a-f:.%]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/i;

/** @throws 'invalid-argument'; no message shows what may be a password. */
export function parseStoreUrl(text: string): StoreUrl {
  const match = shape.exec(text.trim());
  if (match === null) {
    throw new ConclaveError(
      'invalid-argument',
      "A store's URL is like 'postgres://user@host/database' or 'etcd://a:2379,b:2379': scheme, host, path, ?parameters. A '#', '/' or '?' in a user or password is written %23, %2F or %3F.",
    );
  }
  const [, scheme = '', userinfo, authority = '', path = '', query = ''] = match;
  return new StoreUrl(scheme.toLowerCase(), userinfo, authority, path, query);
}

export class StoreUrl {
  readonly scheme: string;
  readonly authority: string;
  #userinfo: string | undefined;
  readonly #path: string;
  readonly #query: URLSearchParams;
  readonly #unused: Set<'user' | 'path'>;
  /** Parameters that the store asked for. */
  readonly #known = new Set<string>();

  constructor(scheme: string, userinfo: string | undefined, authority: string, path: string, query: string) {
    this.scheme = scheme;
    this.authority = authority;
    this.#userinfo = userinfo;
    this.#path = path.replace(/\/$/, '');
    this.#query = new URLSearchParams(query);
    this.#unused = new Set([
      ...(userinfo === undefined ? [] : (['user'] as const)),
      ...(this.#path === '' ? [] : (['path'] as const)),
    ]);
  }

  /** For options that a store takes apart. */
  login(): { readonly user: string | undefined; readonly password: string | undefined } {
    this.#unused.delete('user');
    if (this.#userinfo === undefined || this.#userinfo === '')
      return { user: undefined, password: undefined };
    const at = this.#userinfo.indexOf(':');
    if (at < 0) return { user: this.#decoded(this.#userinfo), password: undefined };
    return {
      user: this.#decoded(this.#userinfo.slice(0, at)),
      password: this.#decoded(this.#userinfo.slice(at + 1)),
    };
  }

  /** In place of the one that the URL has; for drivers that take a URL. */
  logIn(user: string, password: string | undefined): void {
    const [name, secret] = [user, password ?? ''].map(encodeURIComponent);
    this.#userinfo = password === undefined ? name : `${name}:${secret}`;
  }

  /** 'host:port', each with the port that is given or usual. */
  hosts(usualPort: number): string[] {
    return this.authority.split(',').map((part) => {
      const match = hostAndPort.exec(part.trim());
      const port = Number(match?.[2] ?? usualPort);
      if (match === null || port < 1 || port > 65_535) {
        const message = `The ${this.scheme} URL must name its hosts as host:port, separated by commas, not ${JSON.stringify(part)}.`;
        throw new ConclaveError('invalid-argument', message);
      }
      return `${match[1]}:${port}`;
    });
  }

  /** What is after the host, without slashes at its ends; undefined where nothing is. */
  path(): string | undefined {
    this.#unused.delete('path');
    return this.#path === '' ? undefined : this.#decoded(this.#path);
  }

  has(parameter: string): boolean {
    return this.#query.has(parameter);
  }

  /** A parameter of ours, which the driver must not see. */
  parameter(name: string): string | undefined {
    this.#known.add(name);
    const value = this.#query.get(name) ?? undefined;
    this.#query.delete(name);
    return value;
  }

  /** One that other programs know. @throws 'invalid-argument' where the URL has it */
  refuse(name: string, why: string): void {
    if (!this.#query.has(name)) return;
    const message = `The ${this.scheme} URL has the parameter ${JSON.stringify(name)}, which is not supported: ${why}.`;
    throw new ConclaveError('invalid-argument', message);
  }

  /**
   * The URL for a driver that takes one, with the parameters that were not taken out, which are for the driver to know.
   * `driver`: those of the driver without which a connection is less safe than was meant.
   * @throws 'invalid-argument' for one that looks like one of ours, or of these, misspelt.
   */
  rest(scheme = this.scheme, driver: readonly string[] = []): string {
    for (const name of this.#query.keys()) {
      if (driver.includes(name)) continue;
      if (nearest(name, driver) !== undefined) for (const one of driver) this.#known.add(one);
      if (nearest(name, [...this.#known]) !== undefined) throw this.#unknown(name);
    }
    const query = this.#query.toString();
    for (const name of [...this.#query.keys()]) this.#query.delete(name);
    return `${this.withoutParameters(scheme)}${query === '' ? '' : `?${query}`}`;
  }

  /** The URL for a driver that is to have no parameters: those that are left are refused. */
  withoutParameters(scheme = this.scheme): string {
    this.#unused.clear();
    const user = this.#userinfo === undefined ? '' : `${this.#userinfo}@`;
    const path = this.#path === '' ? '' : `/${this.#path}`;
    return `${scheme}://${user}${this.authority}${path}`;
  }

  /** @throws 'invalid-argument' for a part that no store looked at: it would be left out in silence. */
  assertAllUsed(): void {
    const [name] = this.#query.keys();
    if (name !== undefined) throw this.#unknown(name);
    const [part] = this.#unused;
    if (part === undefined) return;
    const message = `The ${this.scheme} URL has a ${part === 'user' ? 'user and password' : 'path'}, which this store does not take.`;
    throw new ConclaveError('invalid-argument', message);
  }

  #unknown(name: string): ConclaveError {
    const known = [...this.#known];
    const near = nearest(name, known);
    const help = near === undefined ? `Known: ${known.join(', ')}.` : `Did you mean ${near}?`;
    const message = `The ${this.scheme} URL has the parameter ${JSON.stringify(name)}, which this store does not know. ${known.length === 0 ? 'It takes none.' : help}`;
    return new ConclaveError('invalid-argument', message);
  }

  #decoded(text: string): string {
    try {
      return decodeURIComponent(text);
    } catch {
      const message = `The ${this.scheme} URL holds a % that is not followed by two hexadecimal digits: write it %25.`;
      throw new ConclaveError('invalid-argument', message);
    }
  }
}
