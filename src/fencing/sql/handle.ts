/** What the work gets instead of the bare connection: it ends with the transaction, and cannot end it. */
import { ConclaveError } from '../../errors/index.ts';
import type { Scope } from './driver.ts';

export interface HandleRules {
  /** Methods that would end the transaction or give away the connection. */
  readonly forbidden: readonly string[];
  /** Methods whose first argument is SQL. */
  readonly statements: readonly string[];
  /** First words of statements that would end the transaction, besides those of transaction control. */
  readonly endsTransaction?: RegExp | undefined;
  /** Properties and results of methods to guard in the same way. */
  readonly inner: readonly string[];
  /** Methods whose last argument is a function that gets a handle of its own. */
  readonly callbacks?: readonly string[] | undefined;
}

const leading = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|;)+/;
const control =
  /^(begin|start\s+transaction|commit|end|abort|prepare\s+transaction|xa|rollback(?!\s+((work|transaction)\s+)?to\b)|set\s+(session\s+|local\s+|@@\S*\.?)?autocommit)\b/i;

export function guardHandle<Handle extends object>(handle: Handle, scope: Scope, rules: HandleRules): Handle {
  const wrap = (value: unknown): unknown => {
    if (value === handle) return guarded;
    return isObject(value) ? guardHandle(value, scope, rules) : value;
  };
  const call = (method: string, target: (...args: unknown[]) => unknown, self: unknown, args: unknown[]) => {
    refuseClosed(scope, method);
    if (rules.forbidden.includes(method)) {
      const message = `${method}() is not for the work of fenced(): the transaction commits when the work returns and rolls back when it throws.`;
      throw new ConclaveError('failed-precondition', message);
    }
    if (rules.statements.includes(method)) refuseControl(args[0], rules);
    const last = args.at(-1);
    const given =
      rules.callbacks?.includes(method) && typeof last === 'function'
        ? args.with(-1, (inner: object, ...rest: unknown[]) => last(wrap(inner), ...rest))
        : args;
    const result = Reflect.apply(target, self, given);
    return result === handle || rules.inner.includes(method) ? wrap(result) : result;
  };
  const guarded: Handle = new Proxy(handle, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      const name = String(property);
      if (typeof value !== 'function') return rules.inner.includes(name) ? wrap(value) : value;
      return (...args: unknown[]) => call(name, value as (...args: unknown[]) => unknown, target, args);
    },
    apply: (target, self, args) => call('', target as (...args: unknown[]) => unknown, self, args),
  });
  return guarded;
}

function refuseClosed(scope: Scope, method: string): void {
  if (scope.open && !scope.broken) return;
  if (scope.open) {
    const message = 'The connection of the fenced transaction is closed';
    throw Object.assign(new Error(message), { code: 'CONNECTION_CLOSED' });
  }
  const what = method === '' ? 'tx' : `tx.${method}()`;
  const message = `${what} was used after its fenced transaction had ended: await everything that the work starts.`;
  throw new ConclaveError('closed', message);
}

/** Best effort, to tell before it happens; that the transaction is still the same is checked before the commit. */
function refuseControl(argument: unknown, { endsTransaction }: HandleRules): void {
  const text = sqlOf(argument)?.replace(leading, '') ?? '';
  if (!control.test(text) && !endsTransaction?.test(text)) return;
  const shown = text.slice(0, 40);
  const message = `"${shown}" ends the fenced transaction or begins another, after which nothing is guarded. Return from the work to commit, throw to roll back; use savepoints within.`;
  throw new ConclaveError('failed-precondition', message);
}

function sqlOf(argument: unknown): string | undefined {
  if (typeof argument === 'string') return argument;
  if (Array.isArray(argument)) return 'raw' in argument ? String(argument[0]) : undefined;
  if (!isObject(argument)) return undefined;
  const { text, sql } = argument as { readonly text?: unknown; readonly sql?: unknown };
  if (typeof text === 'string') return text;
  return typeof sql === 'string' ? sql : undefined;
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
