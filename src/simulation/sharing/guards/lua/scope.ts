import { LuaError } from './tokens.ts';
import type { LuaValue } from './values.ts';

export class Scope {
  readonly #values = new Map<string, LuaValue>();
  readonly #outer: Scope | undefined;

  constructor(outer: Scope | undefined) {
    this.#outer = outer;
  }

  declare(name: string, value: LuaValue): void {
    this.#values.set(name, value);
  }

  get(name: string): LuaValue {
    const holder = this.#holder(name);
    if (holder === undefined) throw new LuaError(`Script attempted to access nonexistent global '${name}'`);
    return holder.#values.get(name);
  }

  set(name: string, value: LuaValue): void {
    const holder = this.#holder(name);
    if (holder === undefined) throw new LuaError(`Attempt to modify a global: '${name}'`);
    holder.#values.set(name, value);
  }

  #holder(name: string): Scope | undefined {
    if (this.#values.has(name)) return this;
    return this.#outer === undefined ? undefined : this.#outer.#holder(name);
  }
}

export type Expression = (scope: Scope) => LuaValue;
/** One that may give several values, or none. */
export type Expressions = (scope: Scope) => readonly LuaValue[];
