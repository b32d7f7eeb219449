/** What a store says of itself is looked at before it is relied on: a misspelt word must not pass for the stronger one. */
import { ConclaveError } from '../errors/index.ts';
import { shown } from '../errors/option-names.ts';
import type { StoreCapabilities } from './store.ts';

type Kind = readonly [what: string, fits: (value: unknown) => boolean];

const flag: Kind = ['true or false', (value) => typeof value === 'boolean'];
/** May be Infinity. */
const duration: Kind = ['a number of milliseconds', (value) => typeof value === 'number' && value >= 0];

const oneOf = (...words: readonly string[]): Kind => [
  words.map((word) => `'${word}'`).join(' or '),
  (value) => words.includes(value as string),
];

/** Complete but for what may be absent: the compiler says so. */
const kinds = {
  consistency: oneOf('linearizable', 'advisory'),
  note: ['a text', (value) => typeof value === 'string'],
  tokenSurvivesDeletion: flag,
  watch: oneOf('native', 'poll'),
  minTtlMs: duration,
  maxTtlMs: duration,
  ttlResolutionMs: duration,
  expiryLateMs: duration,
  orderedWaiters: flag,
  connectionBound: flag,
  handOff: flag,
  recordsExpire: flag,
  transactions: flag,
} as const satisfies Record<Exclude<keyof StoreCapabilities, 'pollRequestsPerMinute'>, Kind>;

/** @throws 'invalid-argument' for one that is missing, or no such value. */
export function checkCapabilities(capabilities: object): void {
  const given = capabilities as Readonly<Record<string, unknown>>;
  for (const [name, [what, fits]] of Object.entries<Kind>(kinds)) {
    if (fits(given[name])) continue;
    const message = `capabilities.${name} of a store must be ${what}, not ${shown(given[name])}.`;
    throw new ConclaveError('invalid-argument', message);
  }
}
