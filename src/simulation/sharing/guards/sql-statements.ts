import { NotSimulated } from './wire.ts';

/** What of SQL the guards and the work behind them send, of PostgreSQL and of MySQL. Anything else throws. */
export type Value = string | number | null;
export type Row = Readonly<Record<string, Value>>;

/** What an expression may use. */
export interface Names {
  readonly parameters: readonly Value[];
  /** The row as it is. */
  readonly row: Row;
  /** What an insertion would have put there. */
  readonly excluded: Row;
  readonly transaction: () => number | undefined;
}

export type Expression = (names: Names) => Value;
export type Assignment = readonly [column: string, value: Expression];

export type Statement =
  | { readonly kind: 'begin' | 'commit' | 'rollback' }
  | { readonly kind: 'savepoint' | 'release'; readonly name: string }
  | { readonly kind: 'set'; readonly settings: ReadonlyMap<string, string> }
  | {
      readonly kind: 'insert';
      readonly table: string;
      readonly columns: readonly string[];
      readonly values: readonly Expression[];
      /** undefined: a row that is there is an error. */
      readonly otherwise: readonly Assignment[] | undefined;
      readonly returning: readonly Expression[];
    }
  | {
      readonly kind: 'select';
      readonly columns: readonly Expression[];
      readonly table: string | undefined;
      readonly key: Expression;
      readonly locks: boolean;
    }
  | {
      readonly kind: 'update';
      readonly table: string;
      readonly set: readonly Assignment[];
      readonly key: Expression;
    };

/** The first column of a table is its primary key, by which its rows are found. */
export function parseStatement(text: string): Statement {
  const before = parsed.get(text);
  if (before !== undefined) return before;
  const statement = new Parser(text).statement();
  if (parsed.size < mostKept) parsed.set(text, statement);
  return statement;
}

const parsed = new Map<string, Statement>();
const mostKept = 100;
const token = /\s+|([A-Za-z_@][\w.@]*)|"([^"]*)"|`([^`]*)`|'([^']*)'|(\d+)|(\$\d+|::|[(),=?])/y;

class Parser {
  readonly #text: string;
  readonly #tokens: { readonly text: string; readonly quoted: boolean }[] = [];
  #at = 0;
  /** Of MySQL: counted as they come. */
  #parameters = 0;

  constructor(text: string) {
    this.#text = text;
    for (let at = 0; at < text.length; at = token.lastIndex) {
      token.lastIndex = at;
      const match = token.exec(text);
      if (match === null) throw this.#unknown();
      const [, word, double, back, single, number, sign] = match;
      const plain = word ?? double ?? back ?? number ?? sign;
      if (single !== undefined) this.#tokens.push({ text: single, quoted: true });
      else if (plain !== undefined) this.#tokens.push({ text: plain, quoted: false });
    }
  }

  statement(): Statement {
    const statement = this.#statement();
    if (this.#at < this.#tokens.length) throw this.#unknown();
    return statement;
  }

  #statement(): Statement {
    if (this.#accept('BEGIN')) return this.#isolated({ kind: 'begin' });
    if (this.#accept('COMMIT')) return { kind: 'commit' };
    if (this.#accept('ROLLBACK')) return { kind: 'rollback' };
    if (this.#accept('SAVEPOINT')) return { kind: 'savepoint', name: this.#next() };
    if (this.#accept('RELEASE', 'SAVEPOINT')) return { kind: 'release', name: this.#next() };
    if (this.#accept('SET', 'TRANSACTION')) return this.#isolated({ kind: 'set', settings: new Map() });
    if (this.#accept('SET')) return { kind: 'set', settings: this.#settings() };
    if (this.#accept('INSERT', 'INTO')) return this.#insert();
    if (this.#accept('SELECT')) return this.#select();
    if (this.#accept('UPDATE')) return this.#update();
    throw this.#unknown();
  }

  /** One level is known for each flavour; the guards ask for it where they only lock what they read. */
  #isolated(statement: Statement): Statement {
    if (this.#accept('ISOLATION', 'LEVEL')) this.#expect('READ', 'COMMITTED');
    return statement;
  }

  #insert(): Statement {
    const table = this.#next();
    if (this.#accept('AS')) this.#next();
    this.#expect('(');
    const columns = this.#several(() => this.#next());
    this.#expect(')', 'VALUES', '(');
    const values = this.#several(() => this.#expression());
    this.#expect(')');
    let otherwise: readonly Assignment[] | undefined;
    if (this.#accept('ON', 'CONFLICT')) {
      this.#expect('(');
      this.#next();
      this.#expect(')', 'DO', 'UPDATE', 'SET');
      otherwise = this.#assignments();
    } else if (this.#accept('ON', 'DUPLICATE', 'KEY', 'UPDATE')) otherwise = this.#assignments();
    const returning = this.#accept('RETURNING') ? this.#several(() => this.#expression()) : [];
    return { kind: 'insert', table, columns, values, otherwise, returning };
  }

  #select(): Statement {
    const columns = this.#several(() => this.#expression());
    if (!this.#accept('FROM'))
      return { kind: 'select', columns, table: undefined, key: () => null, locks: false };
    const table = this.#next();
    const key = this.#where();
    return { kind: 'select', columns, table, key, locks: this.#accept('FOR', 'UPDATE') };
  }

  #update(): Statement {
    const table = this.#next();
    this.#expect('SET');
    const set = this.#assignments();
    return { kind: 'update', table, set, key: this.#where() };
  }

  #where(): Expression {
    this.#expect('WHERE');
    this.#next();
    this.#expect('=');
    return this.#expression();
  }

  /** Those of the session that matter here are read by who runs it. */
  #settings(): ReadonlyMap<string, string> {
    this.#accept('LOCAL');
    const pairs = this.#several((): [string, string] => {
      const name = this.#next();
      this.#expect('=');
      return [name.toLowerCase(), this.#next()];
    });
    return new Map(pairs);
  }

  #assignments(): readonly Assignment[] {
    return this.#several((): Assignment => {
      const column = this.#next();
      this.#expect('=');
      return [column, this.#expression()];
    });
  }

  #expression(): Expression {
    const value = this.#simple();
    if (!this.#accept('::')) return value;
    return this.#cast(value, this.#next());
  }

  #simple(): Expression {
    const { text, quoted } = this.#tokens[this.#at] ?? { text: '', quoted: false };
    this.#at += 1;
    if (quoted) return () => text;
    if (/^\d+$/.test(text)) return () => Number(text);
    if (text === '?' || text.startsWith('$')) {
      const at = text === '?' ? this.#parameters++ : Number(text.slice(1)) - 1;
      return ({ parameters }) => parameters[at] ?? null;
    }
    if (!this.#accept('(')) return this.#column(text);
    return this.#call(text.toLowerCase());
  }

  #column(text: string): Expression {
    const [first = '', second] = text.split('.');
    if (second === undefined) return ({ row }) => row[first] ?? null;
    return first === 'excluded'
      ? ({ excluded }) => excluded[second] ?? null
      : ({ row }) => row[second] ?? null;
  }

  #call(name: string): Expression {
    if (name === 'cast') {
      const value = this.#expression();
      this.#expect('AS');
      const type = this.#next();
      this.#expect(')');
      return this.#cast(value, type);
    }
    const values = this.#accept(')') ? [] : this.#several(() => this.#expression());
    if (values.length > 0) this.#expect(')');
    switch (name) {
      case 'greatest':
        return (names) => Math.max(...values.map((value) => Number(value(names))));
      case 'least':
        return (names) => Math.min(...values.map((value) => Number(value(names))));
      case 'txid_current':
      case 'txid_current_if_assigned':
        return ({ transaction }) => transaction() ?? null;
      default:
        throw this.#unknown();
    }
  }

  #cast(value: Expression, type: string): Expression {
    const isNumber = /^(bigint|signed|integer)$/i.test(type);
    if (!isNumber && !/^(text|char)$/i.test(type)) throw this.#unknown();
    return (names) => {
      const given = value(names);
      if (given === null) return null;
      return isNumber ? Number(given) : String(given);
    };
  }

  #several<T>(one: () => T): T[] {
    const all = [one()];
    while (this.#accept(',')) all.push(one());
    return all;
  }

  #next(): string {
    const { text } = this.#tokens[this.#at] ?? {};
    if (text === undefined) throw this.#unknown();
    this.#at += 1;
    return text;
  }

  #accept(...words: readonly string[]): boolean {
    const all = words.every((word, after) => {
      const { text, quoted } = this.#tokens[this.#at + after] ?? {};
      return quoted === false && text?.toUpperCase() === word;
    });
    if (all) this.#at += words.length;
    return all;
  }

  #expect(...words: readonly string[]): void {
    if (!this.#accept(...words)) throw this.#unknown();
  }

  #unknown(): NotSimulated {
    return new NotSimulated(`The simulated database does not know: ${this.#text}`);
  }
}
