/** Of Lua 5.1, what scripts of a server use. Texts are bytes: one character each, from 0 to 255. */
export interface Token {
  readonly kind: 'name' | 'word' | 'number' | 'text' | 'sign' | 'end';
  readonly text: string;
  readonly line: number;
}

const words = new Set([
  ...['and', 'break', 'do', 'else', 'elseif', 'end', 'false', 'for', 'function', 'if', 'in'],
  ...['local', 'nil', 'not', 'or', 'repeat', 'return', 'then', 'true', 'until', 'while'],
]);
const pattern =
  /\s+|--[^\n]*|([A-Za-z_]\w*)|(\d+(?:\.\d+)?)|'((?:\\.|[^'\\\n])*)'|"((?:\\.|[^"\\\n])*)"|(\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.])/y;
const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0' };

export function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  while (at < source.length) {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match === null) throw new LuaError(`${line}: unexpected ${JSON.stringify(source[at])}`);
    const [all, name, number, single, double, sign] = match;
    const quoted = single ?? double;
    if (name !== undefined) tokens.push({ kind: words.has(name) ? 'word' : 'name', text: name, line });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, line });
    else if (quoted !== undefined) {
      const text = quoted.replace(/\\(.)/g, (_all, letter: string) => escapes[letter] ?? letter);
      tokens.push({ kind: 'text', text, line });
    } else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, line });
    line += all.split('\n').length - 1;
    at = pattern.lastIndex;
  }
  tokens.push({ kind: 'end', text: 'the end', line });
  return tokens;
}

/** Of the script: it does not parse, or failed while it ran. */
export class LuaError extends Error {}
