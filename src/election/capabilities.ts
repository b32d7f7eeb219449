/** What a store says of itself is looked at before it is relied on: a misspelt word must not pass for the stronger one. */
import { checkMembers, duration, flag, type Kind, oneOf, optional, text } from '../errors/members.ts';
import type { StoreCapabilities } from './store.ts';

/** Complete: the compiler says so. */
const kinds = {
  consistency: oneOf('linearizable', 'advisory'),
  note: text,
  tokenSurvivesDeletion: flag,
  watch: oneOf('native', 'poll'),
  pollRequestsPerMinute: optional(['a number', (value) => typeof value === 'number']),
  minTtlMs: duration,
  maxTtlMs: duration,
  ttlResolutionMs: duration,
  expiryLateMs: duration,
  orderedWaiters: flag,
  connectionBound: flag,
  handOff: flag,
  recordsExpire: flag,
  transactions: flag,
} as const satisfies Record<keyof StoreCapabilities, Kind>;

/** @throws 'invalid-argument' for one that is missing, or no such value. */
export function checkCapabilities(capabilities: object): void {
  checkMembers("The store's capabilities", capabilities, kinds);
}
