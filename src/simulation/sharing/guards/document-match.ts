/** What the guards need of MongoDB's filters and update operators, as its manual defines them. Anything else throws. */

import { NotSimulated } from './wire.ts';

export type StoredDocument = Record<string, unknown>;

export function matches(document: StoredDocument, filter: StoredDocument): boolean {
  return Object.entries(filter).every(([path, wanted]) => {
    if (path === '$or') return (wanted as readonly StoredDocument[]).some((one) => matches(document, one));
    if (path.startsWith('$')) throw unknown(path);
    return meets(valueAt(document, path), wanted);
  });
}

function meets(value: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return isSame(value, wanted);
  return Object.entries(wanted).every(([operator, operand]) => {
    switch (operator) {
      case '$exists':
        return (value !== undefined) === operand;
      case '$lte':
        return typeof value === typeof operand && (value as number) <= (operand as number);
      case '$lt':
        return typeof value === typeof operand && (value as number) < (operand as number);
      case '$in':
        return (operand as readonly unknown[]).some((one) => isSame(value, one));
      default:
        throw unknown(operator);
    }
  });
}

/** A field that is not there is null to a filter. */
function isSame(value: unknown, wanted: unknown): boolean {
  return value === wanted || (wanted === null && value === undefined);
}

function valueAt(document: StoredDocument, path: string): unknown {
  let at: unknown = document;
  for (const name of path.split('.')) at = (at as StoredDocument | undefined)?.[name];
  return at;
}

/** A new document; `$set`, `$inc` and `$push` with dotted paths. */
export function updated(document: StoredDocument, update: StoredDocument): StoredDocument {
  const result = structuredClone(document);
  for (const [operator, fields] of Object.entries(update)) {
    for (const [path, operand] of Object.entries(fields as StoredDocument)) {
      const names = path.split('.');
      const last = names.pop() as string;
      let at = result;
      for (const name of names) {
        at[name] ??= {};
        at = at[name] as StoredDocument;
      }
      at[last] = applied(operator, at[last], operand);
    }
  }
  return result;
}

function applied(operator: string, value: unknown, operand: unknown): unknown {
  switch (operator) {
    case '$set':
      return structuredClone(operand);
    case '$inc':
      return ((value as number | undefined) ?? 0) + (operand as number);
    case '$push':
      return [...((value as readonly unknown[] | undefined) ?? []), operand];
    default:
      throw unknown(operator);
  }
}

function unknown(operator: string): NotSimulated {
  return new NotSimulated(`The simulated MongoDB does not know ${operator}.`);
}
