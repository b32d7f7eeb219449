/** The grace after an unclean end (lock-delay): waited out by who comes next, before it is told that it leads. */
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import { decodeGraceRecord, encodeGraceRecord, type GraceRecord } from './record.ts';
import type { AcquiredOutcome } from './store.ts';
import { callBounded, sleep } from './waiting.ts';

export interface GraceOptions {
  /** Of the election. */
  readonly name: string;
  readonly settings: SessionSettings;
  /** After our own leadership. */
  readonly graceMs: number;
  /** For messages. */
  readonly recordPlace?: (() => string | undefined) | undefined;
  /** Called where there is one to wait out. Must not throw. */
  readonly onWaiting?: (() => void) | undefined;
}

export class Grace {
  readonly #options: GraceOptions;
  /** The grace before this token was waited out. */
  #servedFor = -1;

  constructor(options: GraceOptions) {
    this.#options = options;
  }

  /**
   * Waits out what is recorded, and writes down our own where there is one. `recordedMs`: what was written. undefined:
   * look again. Who gives up here never led: what is then left to wait, and no more, stays for the next.
   */
  async pass(
    live: LiveSession,
    { token, record }: AcquiredOutcome,
    signal: AbortSignal,
  ): Promise<{ readonly recordedMs: number | undefined } | undefined> {
    const { name, graceMs, recordPlace } = this.#options;
    const before = record === undefined ? undefined : decodeGraceRecord(name, record, recordPlace);
    const pendingMs = before !== undefined && !before.clean && before.token !== token ? before.graceMs : 0;
    if (graceMs === 0 && pendingMs === 0) return { recordedMs: undefined };
    let leftMs = this.#servedFor === token ? 0 : pendingMs;
    try {
      leftMs = await this.#wait(live, leftMs, signal);
      if (signal.aborted || !live.check()) return undefined;
      this.#servedFor = token;
      const mine = { token, graceMs, clean: false };
      const write = live.call('Writing the record', signal, (options) =>
        live.stored.writeRecord(name, token, encodeGraceRecord(mine), options),
      );
      return (await write) ? { recordedMs: graceMs } : undefined;
    } finally {
      if (signal.aborted && live.check()) {
        await this.#leave(live, { token, graceMs: leftMs, clean: leftMs === 0 });
      }
    }
  }

  /** Resolves to what is left. */
  async #wait(live: LiveSession, forMs: number, signal: AbortSignal): Promise<number> {
    if (forMs === 0) return 0;
    const { onWaiting, settings } = this.#options;
    const { runtime, clockDriftRate } = settings;
    onWaiting?.();
    const startMs = runtime.clock.monotonicMs();
    await sleep(runtime, forMs, signal, live.lost);
    const waitedMs = runtime.clock.monotonicMs() - startMs;
    return waitedMs >= forMs ? 0 : forMs - waitedMs * (1 - clockDriftRate);
  }

  /** Best effort: without it the next waits longer than it must. */
  async #leave(live: LiveSession, record: GraceRecord): Promise<void> {
    const { name, settings } = this.#options;
    const { runtime, renewEveryMs } = settings;
    const bounds = { what: 'Writing the record', timeoutMs: Math.min(1000, renewEveryMs) };
    await callBounded(runtime, bounds, (options) =>
      live.stored.writeRecord(name, record.token, encodeGraceRecord(record), options),
    ).catch(() => {});
  }
}
