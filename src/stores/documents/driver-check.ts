/** Drivers are written by others: what lacks one of its members is refused when the store is made, not when it is used. */
import { ConclaveError } from '../../errors/index.ts';
import {
  checkMembers,
  duration,
  flag,
  type Kind,
  method,
  oneOf,
  optional,
  text,
} from '../../errors/members.ts';
import { checkNames, shown } from '../../errors/option-names.ts';
import type { Bonds, DocumentDriver, DocumentTraits } from './driver.ts';

const anObject: Kind = ['an object', (value) => typeof value === 'object' && value !== null];

/** Complete, but for what disposes of it: the compiler says so. */
const members = {
  description: text,
  traits: anObject,
  read: method,
  write: method,
  remove: method,
  open: optional(method),
  readMany: optional(method),
  prepare: optional(method),
  renewMany: optional(method),
  changes: optional(method),
  list: optional(method),
  whyNoAnswer: optional(method),
  bonds: optional(anObject),
} as const satisfies Record<Exclude<keyof DocumentDriver, symbol>, Kind>;

const traitKinds = {
  consistency: oneOf('linearizable', 'advisory'),
  note: text,
  minTtlMs: duration,
  maxTtlMs: optional(duration),
  ownsClock: flag,
  forgets: flag,
  changesAreOpen: optional(flag),
} as const satisfies Record<keyof DocumentTraits, Kind>;

const bondsMembers = { bind: method, endedByHolder: method } as const satisfies Record<keyof Bonds, Kind>;

/** @throws 'invalid-argument' that names what is missing, misspelt or of another kind. */
export function checkDriver(driver: DocumentDriver): void {
  const given: unknown = driver;
  if (typeof given !== 'object' || given === null) {
    throw invalid(`The first argument of documentStore must be a driver, not ${shown(given)}.`);
  }
  checkMembers('The driver', driver, members);
  if (typeof driver[Symbol.asyncDispose] !== 'function') {
    throw invalid('The driver: [Symbol.asyncDispose] must be a function.');
  }
  const { traits, bonds } = driver;
  checkNames("The driver's traits", traits, Object.keys(traitKinds));
  checkMembers("The driver's traits", traits, traitKinds);
  if (bonds === undefined) return;
  checkMembers("The driver's bonds", bonds, bondsMembers);
  if (!traits.ownsClock) throw invalid("The driver's bonds need traits.ownsClock to be true.");
}

function invalid(message: string): ConclaveError {
  return new ConclaveError('invalid-argument', message);
}
