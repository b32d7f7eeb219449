/** The functions that a script of Redis has, as far as scripts here use them. */
import { LuaError } from './tokens.ts';
import { type LuaFunction, LuaTable, type LuaValue, toNumber, toText, typeOf } from './values.ts';

export function luaLibrary(): Map<string, LuaValue> {
  return new Map<string, LuaValue>([
    ['type', (value) => [typeOf(value)]],
    ['tonumber', (value) => [toNumber(value)]],
    ['tostring', (value) => [toText(value) ?? String(value ?? 'nil')]],
    ['string', library({ find, format, sub, len: (text) => [textArgument(text).length] })],
    ['cmsgpack', library({ pack: (value) => [JSON.stringify(packed(value))], unpack })],
  ]);
}

export function library(functions: Readonly<Record<string, LuaFunction>>): LuaTable {
  const table = new LuaTable();
  for (const [name, value] of Object.entries(functions)) table.set(name, value);
  return table;
}

function textArgument(value: LuaValue): string {
  const text = toText(value);
  if (text === undefined) throw new LuaError(`bad argument (string expected, got ${typeOf(value)})`);
  return text;
}

/** Without captures. */
function find(...[subject, wanted, from, plain]: readonly LuaValue[]): readonly LuaValue[] {
  const text = textArgument(subject);
  const pattern = textArgument(wanted);
  const start = startOf(text, toNumber(from) ?? 1);
  if (plain !== undefined && plain !== false) {
    const at = text.indexOf(pattern, start);
    return at < 0 ? [undefined] : [at + 1, at + pattern.length];
  }
  const anchored = pattern.startsWith('^');
  const match = patternOf(anchored ? pattern.slice(1) : pattern, anchored ? 'y' : 'g');
  match.lastIndex = start;
  const found = match.exec(text);
  return found === null ? [undefined] : [found.index + 1, found.index + found[0].length];
}

const classes: Readonly<Record<string, string>> = {
  d: '0-9',
  a: 'A-Za-z',
  w: 'A-Za-z0-9',
  s: '\\s',
  x: '0-9A-Fa-f',
};

/** Characters, classes, sets, `*`, `+`, `?` and `$`; the rest is refused. */
function patternOf(pattern: string, flag: 'y' | 'g'): RegExp {
  const unknown = () => new LuaError(`the simulated Lua does not know the pattern ${pattern}`);
  let inSet = false;
  const source = pattern.replace(/%(.)|[\s\S]/g, (all, letter: string | undefined, at: number) => {
    if (letter !== undefined) {
      if (/[A-Za-z0-9]/.test(letter)) {
        const known = classes[letter];
        if (known === undefined) throw unknown();
        return inSet ? known : `[${known}]`;
      }
      return `\\${letter}`;
    }
    if (all === '[') inSet = true;
    else if (all === ']') inSet = false;
    else if (inSet) return all === '\\' ? '\\\\' : all;
    else if (all === '$') return at === pattern.length - 1 ? '$' : '\\$';
    else if ('()-'.includes(all)) throw unknown();
    else if ('{}|\\/^'.includes(all)) return `\\${all}`;
    return all;
  });
  return new RegExp(source, `${flag}s`);
}

function format(...[pattern, ...values]: readonly LuaValue[]): readonly LuaValue[] {
  let at = 0;
  const text = textArgument(pattern).replace(/%(%|d|s|\.0f)/g, (_all, how: string) => {
    if (how === '%') return '%';
    const value = values[at++];
    if (how === 's') return textArgument(value);
    const number = toNumber(value);
    if (number === undefined) throw new LuaError('bad argument to format (number expected)');
    return BigInt(Math.round(number)).toString();
  });
  return [text];
}

function sub(...[subject, from, to]: readonly LuaValue[]): readonly LuaValue[] {
  const text = textArgument(subject);
  const last = toNumber(to) ?? -1;
  return [text.slice(startOf(text, toNumber(from) ?? 1), last < 0 ? text.length + last + 1 : last)];
}

function startOf(text: string, from: number): number {
  return from < 0 ? Math.max(0, text.length + from) : Math.max(0, from - 1);
}

/** Its own encoding: only what was packed by it is unpacked. */
function packed(value: LuaValue): unknown {
  if (value instanceof LuaTable) return value.items.map(packed);
  if (typeof value === 'function') throw new LuaError('a function cannot be packed');
  return value ?? null;
}

function unpack(text: LuaValue): readonly LuaValue[] {
  const restored = (value: unknown): LuaValue =>
    Array.isArray(value) ? LuaTable.of(value.map(restored)) : ((value ?? undefined) as LuaValue);
  return [restored(JSON.parse(textArgument(text)))];
}
