/** Watches our own leadership at the store, since an outsider can delete it while our lease lives. */
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import type { ElectionState, LeaseStore } from './store.ts';
import { backoffMs, callBounded, sleep } from './waiting.ts';

export interface TokenGuardOptions {
  readonly store: LeaseStore;
  readonly live: LiveSession;
  readonly settings: SessionSettings;
  readonly name: string;
  readonly token: number;
  /** Ends the guard. */
  readonly signal: AbortSignal;
  readonly onReplaced: () => void;
  /** Hears each state in which we lead. Must not throw. */
  readonly onState?: (state: ElectionState) => void;
}

/**
 * Only where the store pushes changes, or somebody wants to hear of them: polling for this alone would double the load.
 * Never rejects.
 */
export async function guardToken(options: TokenGuardOptions): Promise<void> {
  const { store, settings, name, token, signal, onReplaced, onState } = options;
  if (store.capabilities.watch !== 'native' && onState === undefined) return;
  const { runtime, renewEveryMs, ttlMs } = settings;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      for await (const state of store.watch(name, { signal })) {
        if (signal.aborted) return;
        attempt = 0;
        if (state.leader?.token === token) {
          onState?.(state);
          continue;
        }
        // The watch may lag behind our own victory: only a linearizable read can depose us.
        const bounds = { what: 'Reading who leads', timeoutMs: renewEveryMs, signal };
        const now = await callBounded(runtime, bounds, (call) => store.read(name, call));
        if (now.leader?.token !== token) return onReplaced();
      }
    } catch {
      // The lease itself is renewed elsewhere; watch again.
    }
    // Soon also where the lease is long: nobody sees our leadership being replaced meanwhile.
    const retryInMs = backoffMs(
      runtime.random,
      attempt,
      Math.min(renewEveryMs / 10, 1000),
      Math.min(ttlMs, 5000),
    );
    await sleep(runtime, retryInMs, signal);
  }
}
