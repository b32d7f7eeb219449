// One step of a random conversation. Revisions are told from where the sequence began, since two servers that were
// used before stand at different ones; ids that a server chose are told by the order in which it chose them.
import type {
  CompactionRequest,
  DeleteRangeRequest,
  LeaseGrantRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
  WatchCreateRequest,
} from '../../../src/wire/index.ts';

/** So many revisions after the one at which the sequence began. */
export interface Later {
  readonly later: number;
}

/** The id that the server chose in its nth own choice of this sequence, from 0. */
export interface Chosen {
  readonly chosen: number;
}

/** A message whose revisions and lease ids may be told so, and whose fields may be left out. */
export type Told<T> = T extends bigint
  ? bigint | Chosen
  : T extends number
    ? number | Later
    : T extends string | boolean | Uint8Array | undefined
      ? T
      : T extends readonly (infer Item)[]
        ? readonly Told<Item>[]
        : T extends { $case: string; value: unknown }
          ? { readonly $case: T['$case']; readonly value: Told<T['value']> }
          : { readonly [Key in keyof T]?: Told<T[Key]> | undefined };

export type Step =
  | { readonly call: 'range'; readonly request: Told<RangeRequest> }
  | { readonly call: 'put'; readonly request: Told<PutRequest> }
  | { readonly call: 'deleteRange'; readonly request: Told<DeleteRangeRequest> }
  | { readonly call: 'txn'; readonly request: Told<TxnRequest> }
  | { readonly call: 'compact'; readonly request: Told<CompactionRequest> }
  | { readonly call: 'leaseGrant'; readonly request: Told<LeaseGrantRequest> }
  | { readonly call: 'leaseRevoke'; readonly request: { readonly ID: bigint | Chosen } }
  | {
      readonly call: 'leaseTimeToLive';
      readonly request: { readonly ID: bigint | Chosen; readonly keys: boolean };
    }
  | { readonly call: 'leaseLeases'; readonly request: Record<never, never> }
  | { readonly call: 'keepAlive'; readonly request: { readonly ID: bigint | Chosen } }
  | { readonly call: 'watch'; readonly request: Told<WatchCreateRequest> }
  | { readonly call: 'cancel'; readonly request: { readonly watchId: number } }
  | { readonly call: 'progress'; readonly request: Record<never, never> };

/** The message with its revisions and ids as one server knows them. */
export function asKnown(told: unknown, base: number, chosen: readonly bigint[]): unknown {
  if (typeof told !== 'object' || told === null || told instanceof Uint8Array) return told;
  if (Array.isArray(told)) return told.map((item) => asKnown(item, base, chosen));
  if ('later' in told) return base + (told.later as number);
  // Never chosen: an id that no server has.
  if ('chosen' in told) return chosen[told.chosen as number] ?? 424_242n;
  return Object.fromEntries(Object.entries(told).map(([key, value]) => [key, asKnown(value, base, chosen)]));
}
