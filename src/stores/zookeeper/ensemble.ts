/** The servers of one ensemble: one connection at a time, to any of them, made when somebody needs it. */
import { ConclaveError } from '../../errors/index.ts';
import type { Address, Runtime } from '../../runtime/types.ts';
import { type Credentials, ServerConnection } from './connection.ts';

export interface Servers {
  readonly addresses: readonly Address[];
  /** The path under which everything lies, as after the addresses of a connection string; '' is the root. */
  readonly chroot: string;
}

/** The shortest that a server with its default tick of 2 s grants. */
const sessionMs = 4000;
const defaultPort = 2181;
/**
 * A server that is behind what this process has seen does not let it in, and soon catches up. One whose data were lost, or
 * restored from a backup, never does: after this time no server is told what was seen. No write hangs on that.
 */
const catchUpMs = sessionMs;

/** `zk1:2181,zk2:2181/path`, also with `zk://` before it, or an array of addresses. @throws 'invalid-argument' */
export function parseServers(given: string | readonly string[]): Servers {
  const text = typeof given === 'string' ? given.replace(/^(zk|zookeeper):\/\//, '') : given?.join?.(',');
  const [, list = '', path = ''] = /^([^/]*)(\/.*)?$/.exec(text ?? '') ?? [];
  const addresses = list.split(',').map((one) => {
    const [, six, host = six, port = String(defaultPort)] =
      /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d+))?$/i.exec(one.trim()) ?? [];
    if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
      // It may hold a password.
      throw new ConclaveError(
        'invalid-argument',
        "servers must be like 'zk1:2181,zk2:2181' or 'zk1,zk2/path', without user and password, which are options of their own.",
      );
    }
    return { host, port: Number(port) };
  });
  return { addresses, chroot: checkPath(path.replace(/\/+$/, '')) };
}

/** '' or `/a/b`. @throws 'invalid-argument' */
export function checkPath(path: string): string {
  if (path === '') return path;
  const parts = typeof path === 'string' && path.startsWith('/') ? path.slice(1).split('/') : [''];
  // Control characters, halves of characters and private ones: ZooKeeper refuses them.
  if (parts.every((part) => !['', '.', '..'].includes(part) && !/[\p{Cc}\p{Cs}\p{Co}]/u.test(part)))
    return path;
  throw new ConclaveError(
    'invalid-argument',
    `${JSON.stringify(path)} is no path of ZooKeeper’s: write it like '/teams/reports'.`,
  );
}

export class Ensemble {
  readonly #runtime: Runtime;
  readonly #addresses: readonly Address[];
  readonly #credentials: Credentials | undefined;
  readonly #description: string;
  #connection: ServerConnection | undefined;
  #connecting: Promise<ServerConnection> | undefined;
  #seen = 0n;
  /** Since then a server that can be reached has not let us in, nor has another. */
  #notLetInSinceMs: number | undefined;
  #isClosed = false;

  constructor(
    runtime: Runtime,
    addresses: readonly Address[],
    credentials: Credentials | undefined,
    description: string,
  ) {
    this.#runtime = runtime;
    this.#addresses = addresses;
    this.#credentials = credentials;
    this.#description = description;
  }

  /** undefined: `connection` makes one. */
  get connected(): ServerConnection | undefined {
    return this.#connection?.broken.aborted === false ? this.#connection : undefined;
  }

  /** @throws 'unavailable', outcome 'not-applied' */
  async connection(timeoutMs: number): Promise<ServerConnection> {
    if (this.connected !== undefined) return this.connected;
    const { seen } = this.#connection ?? {};
    if (seen !== undefined && seen > this.#seen) this.#seen = seen;
    this.#connecting ??= this.#connect(timeoutMs).finally(() => {
      this.#connecting = undefined;
    });
    return await this.#connecting;
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  /** Each server once, in an order of chance, so that clients spread and come to another after a failure. */
  async #connect(timeoutMs: number): Promise<ServerConnection> {
    const { random, clock } = this.#runtime;
    const left = [...this.#addresses];
    let last: unknown;
    if (clock.monotonicMs() - (this.#notLetInSinceMs ?? Number.POSITIVE_INFINITY) >= catchUpMs) {
      this.#connection = undefined;
      this.#seen = 0n;
    }
    while (left.length > 0 && !this.#isClosed) {
      const [address] = left.splice(Math.floor(random.unit() * left.length), 1);
      if (address === undefined) break;
      try {
        const connection = await ServerConnection.open({
          runtime: this.#runtime,
          ...{ address, sessionMs, seen: this.#seen, credentials: this.#credentials },
          timeoutMs: Math.max(100, Math.min(sessionMs / 2, timeoutMs / this.#addresses.length)),
        });
        if (this.#isClosed) connection.close();
        this.#connection = connection;
        this.#notLetInSinceMs = undefined;
        return connection;
      } catch (error) {
        if (ConclaveError.is(error) && error.details.letIn === false)
          this.#notLetInSinceMs ??= clock.monotonicMs();
        last = error;
      }
    }
    const reason = last instanceof Error ? last.message : 'the store is closed';
    throw new ConclaveError('unavailable', `No server of ${this.#description} serves: ${reason}`, {
      retryable: true,
      cause: last,
    });
  }
}
