/** Transactions on one connection take turns; work that would wait for itself is told so. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ConclaveError } from '../../errors/index.ts';
import type { Driver, Scope } from './driver.ts';
import type { FenceSettings } from './options.ts';

interface Held {
  readonly key: object;
  readonly table: string;
  readonly resource: string;
  readonly scope: Scope;
}

const held = new AsyncLocalStorage<readonly Held[]>();
const tails = new WeakMap<object, Promise<void>>();

/** Runs the work so that a `fenced` inside of it is recognised. */
export function runHolding<T>(one: Held, work: () => T): T {
  return held.run([...(held.getStore() ?? []), one], work);
}

/** @throws 'failed-precondition' where the caller is itself inside the transaction that it would wait for. */
export function refuseNested<Handle extends object>(
  driver: Pick<Driver<Handle>, 'key' | 'exclusive'>,
  { table, resource }: Pick<FenceSettings, 'table' | 'resource'>,
): void {
  const same = (one: Held) => driver.exclusive || (one.table === table && one.resource === resource);
  if (!held.getStore()?.some((one) => one.scope.open && one.key === driver.key && same(one))) return;
  const message = `fenced() for ${JSON.stringify(resource)} was called inside of work that holds what it would wait for. Use that work's own tx, with takeFence() for another resource.`;
  throw new ConclaveError('failed-precondition', message);
}

/** Waits for the turn; resolves to what ends it. @throws 'aborted' */
export async function takeTurn(key: object, signal: AbortSignal | undefined): Promise<() => void> {
  const turn = Promise.withResolvers<void>();
  const before = tails.get(key) ?? Promise.resolve();
  tails.set(
    key,
    before.then(() => turn.promise),
  );
  try {
    await abortable(before, signal, 'Waiting for the connection');
  } catch (error) {
    turn.resolve();
    throw error;
  }
  return turn.resolve;
}

/** Rejects with 'aborted' when the signal aborts first; what comes later goes to `onLate`. */
export function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  what: string,
  onLate: (value: T) => void = () => {},
): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    let over = false;
    const end = () => {
      over = true;
      signal.removeEventListener('abort', abort);
    };
    const abort = () => {
      end();
      reject(ConclaveError.aborted(what, signal));
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
    promise.then(
      (value) => {
        if (over) return onLate(value);
        end();
        resolve(value);
      },
      (error: unknown) => {
        if (over) return;
        end();
        reject(error);
      },
    );
  });
}
