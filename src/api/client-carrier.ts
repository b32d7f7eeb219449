import type { DelayDistribution } from '../member/recent-delays.ts';
import { listenSockets } from '../runtime/sockets.ts';
import type { TlsIdentity } from '../runtime/tls.ts';
import type { Address, Listener } from '../runtime/types.ts';
import {
  ClientServer,
  type ClientServerOptions,
  type ConnectionCounts,
  clientProtocols,
} from './client-server.ts';
import { grpcMethods } from './grpc-server.ts';

export interface ClientServing extends Omit<ClientServerOptions, 'methods'> {
  /** For addresses that are `secure`. */
  readonly tls: TlsIdentity | undefined;
  /** Of each address. */
  readonly maxConnections: number;
  /** A connection was turned away, and why. */
  readonly onRefused: (remote: string, reason: string) => void;
}

/** A front end in a thread of its own, for metrics. */
export interface FrontEndFigures {
  /** Counted from 1. */
  readonly number: number;
  /** The part of the time since the last look in which it was busy, 0 to 1. */
  readonly utilization: number;
  /** How long answers waited for its loop. */
  readonly delay: DelayDistribution;
  /** How often it was started again. */
  readonly restarts: number;
}

/** Whoever takes connections of clients and carries their calls to the handlers, in this thread or in others. */
export interface ClientCarrier {
  /** Of all time: `refused`, as far as `onRefused` has not been told. */
  readonly connections: ConnectionCounts & { readonly refused: number };
  /** Those in threads. */
  readonly frontEnds: readonly FrontEndFigures[];
  /** @throws ConclaveError 'address-in-use', 'invalid-argument' */
  listen(address: Address): Promise<Listener>;
  /** Brings counts up to date: `connections`, and the calls of the registry's methods. */
  look(): Promise<void>;
  /** Ends streams with 'server stopped', lets other calls finish for up to `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/** Everything in the thread of the member: what most machines are served best by. */
export class OwnFrontEnd implements ClientCarrier {
  readonly #serving: ClientServing;
  readonly #server: ClientServer;
  readonly frontEnds = [];

  constructor(serving: ClientServing) {
    this.#serving = serving;
    this.#server = new ClientServer({ ...serving, methods: grpcMethods(serving.registry) });
  }

  get connections(): ClientCarrier['connections'] {
    return { ...this.#server.connections, refused: 0 };
  }

  listen(address: Address): Promise<Listener> {
    const { maxConnections, tls, onRefused } = this.#serving;
    return listenSockets(address, (socket, info) => this.#server.accept(socket, info), {
      ...{ maxConnections, tls, onRefused, protocols: clientProtocols },
    });
  }

  async look(): Promise<void> {}

  close(graceMs: number): Promise<void> {
    return this.#server.close(graceMs);
  }
}
