import { outOfTime, type Validity } from '../runtime/index.ts';
import { regularly } from '../runtime/regularly.ts';
import type { Clock, Timers } from '../runtime/types.ts';
import type { Logger } from './types.ts';

const lookEveryMs = 3600 * 1000;
const tellEveryMs = 24 * 3600 * 1000;

/** Of one side: what a member shows to clients, or to other members. */
export interface WatchedCertificate {
  readonly side: string;
  readonly certificateFile: string;
  /** As it is now: files are read again. */
  readonly validity: () => Validity;
}

/** How long a certificate has left, for metrics. */
export interface CertificateTime {
  readonly side: string;
  /** Negative: it has expired. */
  readonly leftMs: number;
}

interface Watched {
  readonly certificate: WatchedCertificate;
  told: string | undefined;
  toldMs: number;
}

/** Tells in the log what is wrong with the time of certificates: at once, when that changes, and once a day while it is so. */
export class CertificateWatch implements Disposable {
  readonly #watched: Watched[] = [];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #looking: Disposable;

  constructor({ clock, timers }: { clock: Clock; timers: Timers }, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#looking = regularly(timers, lookEveryMs, () => {
      for (const watched of this.#watched) this.#look(watched);
    });
  }

  get times(): readonly CertificateTime[] {
    const nowMs = this.#clock.wallMs();
    return this.#watched.map(({ certificate: { side, validity } }) => ({
      side,
      leftMs: validity().untilMs - nowMs,
    }));
  }

  /** Returns what to call when it was read anew. */
  watch(certificate: WatchedCertificate): () => void {
    const watched: Watched = { certificate, told: undefined, toldMs: 0 };
    this.#watched.push(watched);
    this.#look(watched);
    return () => {
      watched.told = undefined;
      this.#look(watched);
    };
  }

  #look(watched: Watched): void {
    const { side, certificateFile, validity } = watched.certificate;
    const warning = outOfTime(validity(), this.#clock.wallMs());
    const nowMs = this.#clock.monotonicMs();
    if (warning === watched.told && nowMs - watched.toldMs < tellEveryMs) return;
    watched.told = warning;
    watched.toldMs = nowMs;
    if (warning !== undefined) this.#logger.warn({ side, certificateFile }, warning);
  }

  [Symbol.dispose](): void {
    this.#looking[Symbol.dispose]();
  }
}
