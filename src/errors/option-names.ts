/** Names that nothing knows are refused: a misspelt option must not be taken for one that was left out. */
import { ConclaveError } from './index.ts';

/** @throws 'invalid-argument' for what is no object, and for a name that is not among `known`. */
export function checkNames(what: string, given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ConclaveError('invalid-argument', `${what} must be an object, not ${shown(given)}.`);
  }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || known.includes(name)) continue;
    const near = nearest(name, known);
    const help = near === undefined ? `Known are ${known.join(', ')}.` : `Did you mean ${near}?`;
    throw new ConclaveError('invalid-argument', `${what} must not contain ${JSON.stringify(name)}. ${help}`);
  }
}

/** What came, so that a text does not look like a number. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? 'an array' : 'an object';
}

/** Which one may have been meant, where it is written nearly so. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  const begun = known.find((one) => wanted.length > 2 && one.toLowerCase().startsWith(wanted));
  if (begun !== undefined) return begun;
  const most = Math.min(2, Math.floor(name.length / 3));
  const ranked = known
    .map((one) => ({ one, edits: editsBetween(wanted, one.toLowerCase()) }))
    .sort((left, right) => left.edits - right.edits);
  return ranked[0] !== undefined && ranked[0].edits <= most ? ranked[0].one : undefined;
}

/** How many letters to put in, take out or replace, or neighbours to exchange. */
function editsBetween(from: string, to: string): number {
  let before: readonly number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [at, letter] of [...from].entries()) {
    const next = [at + 1];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1);
      const isExchanged = letter === to[column - 2] && from[at - 1] === to[column - 1];
      const exchanged = (isExchanged ? before[column - 2] : undefined) ?? Number.POSITIVE_INFINITY;
      next.push(Math.min(replaced, exchanged + 1, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}
