/** Who leads, as a stream. */
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { type EventListener, publish } from './events.ts';
import { checkName, checkStore } from './options.ts';
import { Refusals } from './refusals.ts';
import type { ElectionState, LeaseStore } from './store.ts';
import { backoffMs, linkSignals, sleep } from './waiting.ts';

export interface ObserveOptions {
  /** Ends the stream. */
  readonly signal?: AbortSignal | undefined;
  /** Hears of trouble with the store; what it throws is ignored. */
  readonly onEvent?: EventListener | undefined;
  readonly runtime?: Runtime | undefined;
}

/** Shown to observers. `token` tells leaderships of one election apart, and rises. */
export type ObservedLeader = NonNullable<ElectionState['leader']>;

/**
 * Yields who leads now (undefined: nobody), then each change, each once; changes in quick succession may be joined,
 * the last one is never missed. Survives trouble with the store by trying again; ends when the signal aborts.
 *
 * @throws 'invalid-argument' at once; an error of the store that trying again cannot cure.
 */
export function observe(
  store: LeaseStore,
  name: string,
  options: ObserveOptions = {},
): AsyncGenerator<ObservedLeader | undefined, void, undefined> {
  checkStore(store);
  checkNames('The options of observe', options, ['signal', 'onEvent', 'runtime']);
  checkName(name);
  const runtime = options.runtime ?? nodeRuntime();
  return observeStates(store, name, runtime, options);
}

async function* observeStates(
  store: LeaseStore,
  name: string,
  runtime: Runtime,
  { signal, onEvent }: ObserveOptions,
): AsyncGenerator<ObservedLeader | undefined, void, undefined> {
  const link = linkSignals(signal);
  let last: ElectionState | undefined;
  let failures = 0;
  const refusals = new Refusals(runtime.clock);
  try {
    while (!link.signal.aborted) {
      let error: unknown = new ConclaveError('unavailable', 'The store ended the watch.', {
        retryable: true,
      });
      try {
        for await (const state of store.watch(name, { signal: link.signal })) {
          if (link.signal.aborted) return;
          failures = 0;
          refusals.worked();
          if (!isNews(state, last, store)) continue;
          last = state;
          yield state.leader;
        }
      } catch (cause) {
        error = cause;
      }
      if (link.signal.aborted) return;
      if (refusals.isFinal(error)) throw error;
      const retryInMs = backoffMs(runtime.random, failures, 50, 5000);
      failures += 1;
      const trouble = {
        holder: '',
        store: store.description,
        what: `Observing election ${JSON.stringify(name)}`,
      };
      publish({ type: 'trouble', ...trouble, error, attempt: failures, retryInMs }, onEvent);
      await sleep(runtime, retryInMs, link.signal);
    }
  } finally {
    link.controller.abort();
    link.release();
  }
}

/** A new watch may be served by a replica that lags; an advisory store may have lost its count. */
function isNews(state: ElectionState, last: ElectionState | undefined, store: LeaseStore): boolean {
  if (last === undefined) return true;
  if (state.version < last.version && store.capabilities.consistency === 'linearizable') return false;
  const [now, before] = [state.leader, last.leader];
  return now?.token !== before?.token || now?.holder !== before?.holder || now?.metadata !== before?.metadata;
}
