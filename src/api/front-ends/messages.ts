import type { ThrownError } from '../../errors/thrown.ts';
import type { DelayDistribution } from '../../member/recent-delays.ts';
import type { TlsOptions } from '../../runtime/tls.ts';
import type { Address } from '../../runtime/types.ts';
import type { ConnectionCounts } from '../client-server.ts';
import type { Http2Limits } from '../http2/index.ts';
import type { Logger } from '../types.ts';
import type { CheckedLimits } from '../validate.ts';

/** What a front end is started with. */
export interface FrontEndSettings {
  /** Paths of methods; their places are the numbers by which calls name them. Those of pages follow. */
  readonly methods: readonly string[];
  readonly pages: readonly string[];
  readonly limits: CheckedLimits;
  readonly http2: Partial<Http2Limits>;
  readonly corsOrigins: readonly string[];
  readonly tls: Omit<TlsOptions, 'onReload'> | undefined;
  /** One Int32: bytes of batches that the core has taken, modulo 2^32. */
  readonly taken: SharedArrayBuffer;
}

/** What the core asks of a front end. Batches are buffers, and go beside. */
export type Ask =
  | { readonly kind: 'listen'; readonly address: Address; readonly maxConnections: number }
  | { readonly kind: 'unlisten'; readonly address: Address }
  | { readonly kind: 'figures' }
  /** Lets calls finish for so long; nothing follows the answer. */
  | { readonly kind: 'close'; readonly graceMs: number };

export interface AskMessage {
  readonly request: number;
  readonly ask: Ask;
}

export type FrontEndMessage =
  | { readonly kind: 'answer'; readonly request: number; readonly figures: Figures }
  | { readonly kind: 'failed'; readonly request: number; readonly error: ThrownError }
  | { readonly kind: 'log'; readonly level: keyof Logger; readonly fields: object; readonly message: string };

/** What a front end has counted since it started. */
export interface Figures {
  readonly connections: ConnectionCounts;
  readonly refused: number;
  /** By methods. */
  readonly calls: readonly { readonly started: number; readonly byCode: readonly number[] }[];
  /** How long batches from the core waited here. */
  readonly delay: DelayDistribution;
}

/** A place among listeners. */
export function placeOf({ host, port }: Address): string {
  return `${host} ${port}`;
}
