import { binary, unary } from './operators.ts';
import type { Expression, Expressions, Scope } from './scope.ts';
import { LuaError, type Token } from './tokens.ts';
import { type LuaFunction, LuaTable, type LuaValue, typeOf } from './values.ts';

export interface Parsed {
  readonly one: Expression;
  readonly all: Expressions;
  /** Absent: nothing can be assigned to it. */
  readonly assign?: (scope: Scope, value: LuaValue) => void;
}

const precedences: Readonly<Record<string, readonly [left: number, right: number]>> = {
  or: [1, 1],
  and: [2, 2],
  ...Object.fromEntries(['<', '>', '<=', '>=', '~=', '=='].map((sign) => [sign, [3, 3] as const])),
  '..': [5, 4],
  '+': [6, 6],
  '-': [6, 6],
  '*': [7, 7],
  '/': [7, 7],
  '%': [7, 7],
};
const unaryPrecedence = 8;

/** The expressions of a script; functions among them have statements, which another class parses. */
export abstract class ExpressionParser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  protected abstract functionBody(): (scope: Scope) => LuaFunction;

  protected get token(): Token {
    return this.#tokens[this.#at] as Token;
  }

  protected unexpected(): LuaError {
    return new LuaError(`${this.token.line}: unexpected ${this.token.text}`);
  }

  protected accept(text: string): boolean {
    const { kind } = this.token;
    if (this.token.text !== text || (kind !== 'sign' && kind !== 'word')) return false;
    this.#at += 1;
    return true;
  }

  protected expect(text: string): void {
    if (!this.accept(text)) throw this.unexpected();
  }

  protected name(): string {
    const { kind, text } = this.token;
    if (kind !== 'name') throw this.unexpected();
    this.#at += 1;
    return text;
  }

  protected list(): Expressions {
    const all: Parsed[] = [this.#several()];
    while (this.accept(',')) all.push(this.#several());
    const last = all.pop() as Parsed;
    return (scope) => [...all.map(({ one }) => one(scope)), ...last.all(scope)];
  }

  protected expression(): Expression {
    return this.#several().one;
  }

  #several(above = 0): Parsed {
    let left = this.#unary();
    for (;;) {
      const operator = this.token.text;
      const precedence = this.token.kind === 'text' ? undefined : precedences[operator];
      if (precedence === undefined || precedence[0] <= above) return left;
      this.#at += 1;
      left = single(binary(operator, left.one, this.#several(precedence[1]).one));
    }
  }

  #unary(): Parsed {
    for (const operator of ['not', '#', '-']) {
      if (!this.accept(operator)) continue;
      const { one } = this.#several(unaryPrecedence);
      return single((scope) => unary(operator, one(scope)));
    }
    return this.#simple();
  }

  #simple(): Parsed {
    const { kind, text } = this.token;
    if (kind === 'number' || kind === 'text') {
      this.#at += 1;
      const value = kind === 'number' ? Number(text) : text;
      return single(() => value);
    }
    for (const [word, value] of [
      ['nil', undefined] as const,
      ['true', true] as const,
      ['false', false] as const,
    ])
      if (this.accept(word)) return single(() => value);
    if (this.accept('function')) return single(this.functionBody());
    if (this.accept('{')) return single(this.#table());
    return this.suffixed();
  }

  #table(): Expression {
    const items: Expression[] = [];
    while (!this.accept('}')) {
      items.push(this.expression());
      if (this.accept('}')) break;
      this.expect(',');
    }
    return (scope) => LuaTable.of(items.map((item) => item(scope)));
  }

  /** A name or an expression in parentheses, with indexes and calls behind it. */
  protected suffixed(): Parsed {
    let now: Parsed;
    if (this.accept('(')) {
      now = single(this.expression());
      this.expect(')');
    } else {
      const name = this.name();
      now = {
        ...single((scope) => scope.get(name)),
        assign: (scope, value) => scope.set(name, value),
      };
    }
    for (;;) {
      const { one } = now;
      if (this.accept('[')) {
        const key = this.expression();
        this.expect(']');
        now = indexed(one, key);
      } else if (this.accept('.')) {
        const key = this.name();
        now = indexed(one, () => key);
      } else if (this.accept('(')) {
        const args = this.accept(')') ? () => [] : this.#arguments();
        const all: Expressions = (scope) => called(one(scope), args(scope));
        now = { one: (scope) => all(scope)[0], all };
      } else return now;
    }
  }

  #arguments(): Expressions {
    const list = this.list();
    this.expect(')');
    return list;
  }
}
function single(one: Expression): Parsed {
  return { one, all: (scope) => [one(scope)] };
}

function indexed(of: Expression, key: Expression) {
  const table = (scope: Scope): LuaTable => {
    const value = of(scope);
    if (value instanceof LuaTable) return value;
    throw new LuaError(`attempt to index a ${typeOf(value)} value`);
  };
  return {
    ...single((scope) => table(scope).get(key(scope))),
    assign: (scope: Scope, value: LuaValue) => table(scope).set(key(scope), value),
  };
}

function called(value: LuaValue, args: readonly LuaValue[]): readonly LuaValue[] {
  if (typeof value === 'function') return value(...args);
  throw new LuaError(`attempt to call a ${typeOf(value)} value`);
}
