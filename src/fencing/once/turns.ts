/**
 * Callers of one operation that share a session take turns in this process: for the store one session is one owner, so
 * it cannot tell them apart.
 */
import type { Session } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';

export interface Turn {
  /** The outcome that the caller before saw: there is nothing left to ask. */
  readonly outcome: Uint8Array | undefined;
  /** So that nothing else uses the name with this session, a clean-up after a late answer among it. @throws 'aborted' */
  claim(): Promise<void>;
  /** Ends the turn; the next one gets the outcome, if there is one. */
  end(outcome: Uint8Array | undefined): void;
}

const lines = new WeakMap<Session, Map<string, Promise<Uint8Array | undefined>>>();

/** @throws 'aborted'; whoever comes behind then waits for who was before. */
export async function takeTurn(
  session: Session,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Turn> {
  let line = lines.get(session);
  if (line === undefined) {
    line = new Map();
    lines.set(session, line);
  }
  const before = line.get(name);
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  line.set(name, promise);
  let held: { release(): void } | undefined;
  const claim = async () => {
    held ??= await session.claims.take(name, { queue: true, signal: signal ?? new AbortController().signal });
  };
  const end = (outcome: Uint8Array | undefined) => {
    held?.release();
    if (line.get(name) === promise) line.delete(name);
    resolve(outcome);
  };
  if (before === undefined) return { outcome: undefined, claim, end };
  try {
    return { outcome: await unlessAborted(before, signal), claim, end };
  } catch (error) {
    void before.then(end);
    throw error;
  }
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(ConclaveError.aborted('Waiting for the operation', signal));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    void promise.then((value) => {
      signal.removeEventListener('abort', onAbort);
      resolve(value);
    });
  });
}
