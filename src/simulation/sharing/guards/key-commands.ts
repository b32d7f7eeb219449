import { NotSimulated } from './wire.ts';

/** The commands of Redis that scripts of guards call, on texts whose characters are bytes. */
export type StoredValue = string | Map<string, string> | string[];
/** null: nil. `ok`: a status. */
export type Reply = null | number | string | { readonly ok: string } | readonly Reply[];

export class ReplyError extends Error {}

type Keys = Map<string, StoredValue>;

export function command(keys: Keys, [name = '', ...args]: readonly string[]): Reply {
  const run = commands[name.toUpperCase()];
  if (run === undefined) throw new NotSimulated(`The simulated Redis does not know ${name}.`);
  return run(keys, args);
}

const commands: Readonly<Record<string, (keys: Keys, args: readonly string[]) => Reply>> = {
  TYPE: (keys, [key = '']) => ({ ok: typeOf(keys.get(key)) }),
  EXISTS: (keys, args) => args.filter((key) => keys.has(key)).length,
  DEL: (keys, args) => args.filter((key) => keys.delete(key)).length,
  GET: (keys, [key = '']) => textAt(keys, key) ?? null,
  SET(keys, [key = '', value = '', ...options]) {
    if (options.length > 0) throw new NotSimulated('The simulated Redis knows no options of SET.');
    keys.set(key, value);
    return { ok: 'OK' };
  },
  INCR(keys, [key = '']) {
    const value = Number(textAt(keys, key) ?? '0') + 1;
    keys.set(key, String(value));
    return value;
  },
  HGET: (keys, [key = '', field = '']) => hashAt(keys, key)?.get(field) ?? null,
  HMGET(keys, [key = '', ...fields]) {
    const hash = hashAt(keys, key);
    return fields.map((field) => hash?.get(field) ?? null);
  },
  HSET(keys, [key = '', ...pairs]) {
    const hash = hashAt(keys, key) ?? new Map<string, string>();
    keys.set(key, hash);
    const before = hash.size;
    for (let at = 0; at < pairs.length; at += 2) hash.set(pairs[at] as string, pairs[at + 1] as string);
    return hash.size - before;
  },
  HDEL(keys, [key = '', ...fields]) {
    const hash = hashAt(keys, key);
    const removed = fields.filter((field) => hash?.delete(field)).length;
    if (hash?.size === 0) keys.delete(key);
    return removed;
  },
  RPUSH(keys, [key = '', ...values]) {
    const list = [...(listAt(keys, key) ?? []), ...values];
    keys.set(key, list);
    return list.length;
  },
  LRANGE(keys, [key = '', from = '0', to = '-1']) {
    if (from !== '0' || to !== '-1') throw new NotSimulated('The simulated Redis gives whole lists only.');
    return listAt(keys, key) ?? [];
  },
};

function typeOf(value: StoredValue | undefined): string {
  if (value === undefined) return 'none';
  if (typeof value === 'string') return 'string';
  return Array.isArray(value) ? 'list' : 'hash';
}

const wrongType = () => new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value');

function textAt(keys: Keys, key: string): string | undefined {
  const value = keys.get(key);
  if (value !== undefined && typeof value !== 'string') throw wrongType();
  return value;
}

function hashAt(keys: Keys, key: string): Map<string, string> | undefined {
  const value = keys.get(key);
  if (value !== undefined && !(value instanceof Map)) throw wrongType();
  return value;
}

function listAt(keys: Keys, key: string): string[] | undefined {
  const value = keys.get(key);
  if (value !== undefined && !Array.isArray(value)) throw wrongType();
  return value;
}
