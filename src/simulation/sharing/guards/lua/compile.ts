import { ExpressionParser } from './expressions.ts';
import { numberOf } from './operators.ts';
import { type Expression, Scope } from './scope.ts';
import { tokensOf } from './tokens.ts';
import { isTrue, type LuaFunction, type LuaValue } from './values.ts';

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

class Parser extends ExpressionParser {
  chunk(): Statement {
    const block = this.#block();
    if (this.token.kind !== 'end') throw this.unexpected();
    return block;
  }

  #block(): Statement {
    const statements: Statement[] = [];
    const ends = (): boolean =>
      this.token.kind === 'end' || ['end', 'else', 'elseif', 'until'].includes(this.#word);
    while (!ends()) {
      if (this.accept('return')) {
        statements.push(ends() || this.accept(';') ? () => [] : this.list());
        this.accept(';');
        if (!ends()) throw this.unexpected();
        break;
      }
      if (!this.accept(';')) statements.push(this.#statement());
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
    return this.token.kind === 'word' ? this.token.text : '';
  }

  #inner(): Statement {
    const block = this.#block();
    return (scope) => block(new Scope(scope));
  }

  #statement(): Statement {
    if (this.accept('local')) return this.accept('function') ? this.#localFunction() : this.#local();
    if (this.accept('if')) return this.#if();
    if (this.accept('for')) return this.#for();
    if (this.accept('while')) return this.#while();
    if (this.accept('do')) {
      const inner = this.#inner();
      this.expect('end');
      return inner;
    }
    return this.#callOrAssignment();
  }

  #local(): Statement {
    const names = [this.name()];
    while (this.accept(',')) names.push(this.name());
    const values = this.accept('=') ? this.list() : () => [];
    return (scope) => {
      const given = values(scope);
      for (const [at, name] of names.entries()) scope.declare(name, given[at]);
      return undefined;
    };
  }

  #localFunction(): Statement {
    const name = this.name();
    const make = this.functionBody();
    return (scope) => {
      scope.declare(name, undefined);
      scope.set(name, make(scope));
      return undefined;
    };
  }

  protected functionBody(): (scope: Scope) => LuaFunction {
    this.expect('(');
    const names: string[] = [];
    while (!this.accept(')')) {
      if (names.length > 0) this.expect(',');
      names.push(this.name());
    }
    const body = this.#block();
    this.expect('end');
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
      const when = this.expression();
      this.expect('then');
      cases.push({ when, run: this.#inner() });
    } while (this.accept('elseif'));
    if (this.accept('else')) otherwise = this.#inner();
    this.expect('end');
    return (scope) => (cases.find(({ when }) => isTrue(when(scope)))?.run ?? otherwise)(scope);
  }

  #for(): Statement {
    const name = this.name();
    this.expect('=');
    const bounds = this.list();
    this.expect('do');
    const body = this.#block();
    this.expect('end');
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
    const when = this.expression();
    this.expect('do');
    const body = this.#inner();
    this.expect('end');
    return (scope) => {
      while (isTrue(when(scope))) {
        const result = body(scope);
        if (result !== undefined) return result;
      }
      return undefined;
    };
  }

  #callOrAssignment(): Statement {
    const first = this.suffixed();
    if (first.assign === undefined) {
      const { all } = first;
      return (scope) => {
        all(scope);
        return undefined;
      };
    }
    const targets = [first.assign];
    while (this.accept(',')) {
      const { assign } = this.suffixed();
      if (assign === undefined) throw this.unexpected();
      targets.push(assign);
    }
    this.expect('=');
    const values = this.list();
    return (scope) => {
      const given = values(scope);
      for (const [at, assign] of targets.entries()) assign(scope, given[at]);
      return undefined;
    };
  }

  /** The last one gives all its values. */
}
