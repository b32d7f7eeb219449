import { binary, numberOf, unary } from './operators.ts';
import { type Expression, type Expressions, Scope } from './scope.ts';
import { LuaError, type Token, tokensOf } from './tokens.ts';
import { isTrue, type LuaFunction, LuaTable, type LuaValue, typeOf } from './values.ts';

interface Parsed {
  readonly one: Expression;
  readonly all: Expressions;
  /** Absent: nothing can be assigned to it. */
  readonly assign?: (scope: Scope, value: LuaValue) => void;
}
/** What it returns ends the function. */
type Statement = (scope: Scope) => readonly LuaValue[] | undefined;

/**
 * A script as a function of its globals. Knows: locals, assignments, functions, calls, `if`, `while`, numeric `for`,
 * `return`, tables, operators; refuses the rest of Lua 5.1. @throws LuaError
 */
export function compile(source: string): (globals: ReadonlyMap<string, LuaValue>) => readonly LuaValue[] {
  const body = new Parser(tokensOf(source)).chunk();
  return (globals) => {
    const scope = new Scope(undefined);
    for (const [name, value] of globals) scope.declare(name, value);
    return body(new Scope(scope)) ?? [];
  };
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

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  chunk(): Statement {
    const block = this.#block();
    if (this.#token.kind !== 'end') throw this.#unexpected();
    return block;
  }

  get #token(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #unexpected(): LuaError {
    return new LuaError(`${this.#token.line}: unexpected ${this.#token.text}`);
  }

  #accept(text: string): boolean {
    const { kind } = this.#token;
    if (this.#token.text !== text || (kind !== 'sign' && kind !== 'word')) return false;
    this.#at += 1;
    return true;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw this.#unexpected();
  }

  #name(): string {
    const { kind, text } = this.#token;
    if (kind !== 'name') throw this.#unexpected();
    this.#at += 1;
    return text;
  }

  #block(): Statement {
    const statements: Statement[] = [];
    const ends = (): boolean =>
      this.#token.kind === 'end' || ['end', 'else', 'elseif', 'until'].includes(this.#word);
    while (!ends()) {
      if (this.#accept('return')) {
        statements.push(ends() || this.#accept(';') ? () => [] : this.#list());
        this.#accept(';');
        if (!ends()) throw this.#unexpected();
        break;
      }
      if (!this.#accept(';')) statements.push(this.#statement());
    }
    return (scope) => {
      for (const statement of statements) {
        const result = statement(scope);
        if (result !== undefined) return result;
      }
      return undefined;
    };
  }

  get #word(): string {
    return this.#token.kind === 'word' ? this.#token.text : '';
  }

  #inner(): Statement {
    const block = this.#block();
    return (scope) => block(new Scope(scope));
  }

  #statement(): Statement {
    if (this.#accept('local')) return this.#accept('function') ? this.#localFunction() : this.#local();
    if (this.#accept('if')) return this.#if();
    if (this.#accept('for')) return this.#for();
    if (this.#accept('while')) return this.#while();
    if (this.#accept('do')) {
      const inner = this.#inner();
      this.#expect('end');
      return inner;
    }
    return this.#callOrAssignment();
  }

  #local(): Statement {
    const names = [this.#name()];
    while (this.#accept(',')) names.push(this.#name());
    const values = this.#accept('=') ? this.#list() : () => [];
    return (scope) => {
      const given = values(scope);
      for (const [at, name] of names.entries()) scope.declare(name, given[at]);
      return undefined;
    };
  }

  #localFunction(): Statement {
    const name = this.#name();
    const make = this.#function();
    return (scope) => {
      scope.declare(name, undefined);
      scope.set(name, make(scope));
      return undefined;
    };
  }

  #function(): (scope: Scope) => LuaFunction {
    this.#expect('(');
    const names: string[] = [];
    while (!this.#accept(')')) {
      if (names.length > 0) this.#expect(',');
      names.push(this.#name());
    }
    const body = this.#block();
    this.#expect('end');
    return (outer) =>
      (...args) => {
        const scope = new Scope(outer);
        for (const [at, name] of names.entries()) scope.declare(name, args[at]);
        return body(scope) ?? [];
      };
  }

  #if(): Statement {
    const cases: { readonly when: Expression; readonly run: Statement }[] = [];
    let otherwise: Statement = () => undefined;
    do {
      const when = this.#expression();
      this.#expect('then');
      cases.push({ when, run: this.#inner() });
    } while (this.#accept('elseif'));
    if (this.#accept('else')) otherwise = this.#inner();
    this.#expect('end');
    return (scope) => (cases.find(({ when }) => isTrue(when(scope)))?.run ?? otherwise)(scope);
  }

  #for(): Statement {
    const name = this.#name();
    this.#expect('=');
    const bounds = this.#list();
    this.#expect('do');
    const body = this.#block();
    this.#expect('end');
    return (scope) => {
      const [from, to, step = 1] = bounds(scope).map((value) => numberOf(value, 'loop'));
      for (let value = from as number; step > 0 ? value <= (to as number) : value >= (to as number); ) {
        const inner = new Scope(scope);
        inner.declare(name, value);
        const result = body(inner);
        if (result !== undefined) return result;
        value += step;
      }
      return undefined;
    };
  }

  #while(): Statement {
    const when = this.#expression();
    this.#expect('do');
    const body = this.#inner();
    this.#expect('end');
    return (scope) => {
      while (isTrue(when(scope))) {
        const result = body(scope);
        if (result !== undefined) return result;
      }
      return undefined;
    };
  }

  #callOrAssignment(): Statement {
    const first = this.#suffixed();
    if (first.assign === undefined) {
      const { all } = first;
      return (scope) => {
        all(scope);
        return undefined;
      };
    }
    const targets = [first.assign];
    while (this.#accept(',')) {
      const { assign } = this.#suffixed();
      if (assign === undefined) throw this.#unexpected();
      targets.push(assign);
    }
    this.#expect('=');
    const values = this.#list();
    return (scope) => {
      const given = values(scope);
      for (const [at, assign] of targets.entries()) assign(scope, given[at]);
      return undefined;
    };
  }

  /** The last one gives all its values. */
  #list(): Expressions {
    const all: Parsed[] = [this.#several()];
    while (this.#accept(',')) all.push(this.#several());
    const last = all.pop() as Parsed;
    return (scope) => [...all.map(({ one }) => one(scope)), ...last.all(scope)];
  }

  #expression(): Expression {
    return this.#several().one;
  }

  #several(above = 0): Parsed {
    let left = this.#unary();
    for (;;) {
      const operator = this.#token.text;
      const precedence = this.#token.kind === 'text' ? undefined : precedences[operator];
      if (precedence === undefined || precedence[0] <= above) return left;
      this.#at += 1;
      left = single(binary(operator, left.one, this.#several(precedence[1]).one));
    }
  }

  #unary(): Parsed {
    for (const operator of ['not', '#', '-']) {
      if (!this.#accept(operator)) continue;
      const { one } = this.#several(unaryPrecedence);
      return single((scope) => unary(operator, one(scope)));
    }
    return this.#simple();
  }

  #simple(): Parsed {
    const { kind, text } = this.#token;
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
      if (this.#accept(word)) return single(() => value);
    if (this.#accept('function')) return single(this.#function());
    if (this.#accept('{')) return single(this.#table());
    return this.#suffixed();
  }

  #table(): Expression {
    const items: Expression[] = [];
    while (!this.#accept('}')) {
      items.push(this.#expression());
      if (this.#accept('}')) break;
      this.#expect(',');
    }
    return (scope) => LuaTable.of(items.map((item) => item(scope)));
  }

  /** A name or an expression in parentheses, with indexes and calls behind it. */
  #suffixed(): Parsed {
    let now: Parsed;
    if (this.#accept('(')) {
      now = single(this.#expression());
      this.#expect(')');
    } else {
      const name = this.#name();
      now = {
        ...single((scope) => scope.get(name)),
        assign: (scope, value) => scope.set(name, value),
      };
    }
    for (;;) {
      const { one } = now;
      if (this.#accept('[')) {
        const key = this.#expression();
        this.#expect(']');
        now = indexed(one, key);
      } else if (this.#accept('.')) {
        const key = this.#name();
        now = indexed(one, () => key);
      } else if (this.#accept('(')) {
        const args = this.#accept(')') ? () => [] : this.#arguments();
        const all: Expressions = (scope) => called(one(scope), args(scope));
        now = { one: (scope) => all(scope)[0], all };
      } else return now;
    }
  }

  #arguments(): Expressions {
    const list = this.#list();
    this.#expect(')');
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
