import type { Duplex } from 'node:stream';
import type { Clock, Timer, Timers } from '../../runtime/types.ts';
import { Deadlines } from './deadlines.ts';
import type { ConnectionError } from './frames.ts';
import type { HttpExchange } from './http-exchange.ts';
import { KeepAlive } from './keep-alive.ts';
import { PartialBudget } from './partial-budget.ts';
import { RpcConnection, type RpcShared } from './rpc-connection.ts';
import { RunningBytes } from './running-bytes.ts';
import { defaultLimits, type Http2Limits, type RpcCauses, type RpcMethod, type RpcStatus } from './types.ts';

export interface Http2ServerOptions<Connection> {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly causes: RpcCauses;
  /** Larger requests are refused before they have come. */
  readonly maxMessageBytes: number;
  readonly limits?: Partial<Http2Limits>;
  /** What was thrown by a method, or is one of `causes`, as a status. */
  readonly failed: (path: string, error: unknown) => RpcStatus;
  /** Serves requests that are no calls. Default: they are refused, as gRPC asks of servers. */
  readonly onHttp?: (exchange: HttpExchange, connection: Connection) => Promise<void>;
  /** A connection that was ended because its other side broke the protocol, or asked too much. */
  readonly refused?: (connection: Connection, error: ConnectionError) => void;
}

/** How long a connection that was ended stays open for its other side to read why. */
const farewellMs = 1000;

/** Serves methods over gRPC on sockets that somebody else accepts. */
export class Http2Server<Connection> {
  readonly #shared: RpcShared<Connection>;
  readonly #onRefused: (connection: Connection, error: ConnectionError) => void;
  readonly #timers: Timers;
  readonly #keepAlive: KeepAlive;
  readonly #connections = new Set<RpcConnection<Connection>>();
  #closing = false;
  #allClosed: () => void = () => {};

  constructor(methods: ReadonlyMap<string, RpcMethod<Connection>>, options: Http2ServerOptions<Connection>) {
    const nowMs = () => options.clock.monotonicMs();
    this.#timers = options.timers;
    const limits = { ...defaultLimits, ...options.limits };
    this.#shared = {
      methods,
      nowMs,
      ...{ causes: options.causes, failed: options.failed, maxMessageBytes: options.maxMessageBytes },
      limits,
      onHttp: options.onHttp,
      deadlines: new Deadlines(nowMs, options.timers),
      partials: new PartialBudget(limits.maxPartialBytesOfAll),
      running: new RunningBytes(limits.maxRunningBytesOfAll),
    };
    const { keepAliveIntervalMs, keepAliveTimeoutMs } = this.#shared.limits;
    this.#keepAlive = new KeepAlive({
      timers: options.timers,
      intervalMs: keepAliveIntervalMs,
      timeoutMs: keepAliveTimeoutMs,
    });
    this.#onRefused = options.refused ?? (() => {});
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Takes over the socket: HTTP/2 with prior knowledge. `connection` is what its calls are told of it. */
  accept(socket: Duplex, connection: Connection): void {
    socket.on('error', () => {});
    if (this.#closing) {
      socket.destroy();
      return;
    }
    const rpc = new RpcConnection(this.#shared, socket, connection, (error) => this.#refused(rpc, error));
    this.#connections.add(rpc);
    this.#keepAlive.watch(socket, () => rpc.ping());
    const greeting = this.#expectGreeting(rpc);
    socket.once('close', () => {
      greeting.cancel();
      this.#connections.delete(rpc);
      if (this.#connections.size === 0) this.#allClosed();
    });
  }

  /** It has been told why, and gets a moment to read it: closing at once could take that away again. */
  #refused(rpc: RpcConnection<Connection>, error: ConnectionError): void {
    this.#onRefused(rpc.connection, error);
    this.#timers.after(farewellMs, () => rpc.destroy(), { background: true });
  }

  #expectGreeting(rpc: RpcConnection<Connection>): Timer {
    const late = () => {
      if (!rpc.settled) rpc.destroy();
    };
    return this.#timers.after(this.#shared.limits.greetingTimeoutMs, late, { background: true });
  }

  /** Ends streams with 'server stopped', lets unary calls finish for up to `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    for (const rpc of this.#connections) rpc.stop();
    if (this.#connections.size > 0) await this.#closedWithin(graceMs);
    for (const rpc of this.#connections) rpc.destroy();
  }

  #closedWithin(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#timers.after(graceMs, resolve);
      this.#allClosed = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
