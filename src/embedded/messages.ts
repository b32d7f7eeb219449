import type { MessagePort } from 'node:worker_threads';
import type { TlsFileOptions } from '../api/index.ts';
import type { ThrownError } from '../errors/thrown.ts';
import type { MemberOptions, MemberStatus } from '../member/index.ts';
import type { Address } from '../runtime/types.ts';

/** How the worker is started: what a thread can be given, so without logger and runtime. */
export interface WorkerOptions {
  readonly member: Omit<MemberOptions, 'logger' | 'runtime'>;
  /** Where clients outside of this process connect; empty: nowhere. */
  readonly listenClients: readonly Address[];
  readonly tls?: TlsFileOptions;
  readonly peerTls?: TlsFileOptions;
  /** Whether the app wants the member's log. */
  readonly logs: boolean;
}

/** From the app to the worker. */
export type AppMessage =
  /** A client's connection: the worker serves the API on it. */
  | { readonly kind: 'connect'; readonly port: MessagePort }
  | { readonly kind: 'status'; readonly request: number }
  | { readonly kind: 'stop' };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** From the worker to the app. */
export type WorkerMessage =
  | {
      readonly kind: 'started';
      readonly clusterId: number;
      readonly memberId: number;
      readonly clientAddresses: readonly Address[];
    }
  | { readonly kind: 'status'; readonly request: number; readonly status: MemberStatus }
  | { readonly kind: 'changed'; readonly status: MemberStatus }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly fields: object; readonly message: string }
  /** The last message. With an error, the member could not start or stopped by a failure. */
  | { readonly kind: 'stopped'; readonly error?: ThrownError };
