/** What an object of the caller's must have: looked at before anything relies on it. */
import { ConclaveError } from './index.ts';
import { shown } from './option-names.ts';

export type Kind = readonly [what: string, fits: (value: unknown) => boolean];

export const flag: Kind = ['true or false', (value) => typeof value === 'boolean'];
export const text: Kind = ['a text', (value) => typeof value === 'string'];
export const method: Kind = ['a function', (value) => typeof value === 'function'];
/** May be Infinity. */
export const duration: Kind = [
  'a number of milliseconds',
  (value) => typeof value === 'number' && value >= 0,
];

export function oneOf(...words: readonly string[]): Kind {
  const quoted = words.map((word) => JSON.stringify(word)).join(' or ');
  return [quoted, (value) => words.includes(value as string)];
}

export function optional([what, fits]: Kind): Kind {
  return [what, (value) => value === undefined || fits(value)];
}

/** @throws 'invalid-argument' for a member that is missing or of another kind, named. */
export function checkMembers(what: string, given: object, kinds: Readonly<Record<string, Kind>>): void {
  for (const [name, [wanted, fits]] of Object.entries(kinds)) {
    const value: unknown = Reflect.get(given, name);
    if (fits(value)) continue;
    throw new ConclaveError('invalid-argument', `${what}: ${name} must be ${wanted}, not ${shown(value)}.`);
  }
}
