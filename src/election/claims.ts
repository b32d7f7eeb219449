/** Which names of a session are in use: a store takes two that acquire one name by one session for the same one. */
import { ConclaveError } from '../errors/index.ts';

export interface Claim {
  /** Its owner only cleans up: others wait for that instead of being refused. */
  leaving: boolean;
  /** Idempotent. The next in line has it then. */
  release(): void;
}

interface InLine {
  readonly claim: Claim;
  readonly granted: () => void;
}

export class Claims {
  /** By name; the first of each line has it. */
  readonly #lines = new Map<string, InLine[]>();

  /**
   * `queue`: wait behind whoever has it; `onWaiting` hears that it must. `leaving`: see `Claim`.
   * @throws 'failed-precondition' where another has it, 'aborted'.
   */
  async take(
    name: string,
    options: {
      readonly queue: boolean;
      readonly signal: AbortSignal;
      readonly leaving?: boolean;
      readonly onWaiting?: (() => void) | undefined;
    },
  ): Promise<Claim> {
    const { queue, signal, leaving = false, onWaiting } = options;
    const line = this.#lines.get(name) ?? [];
    if (!queue && line.some((one) => !one.claim.leaving)) {
      const message = `Another candidate with the same session campaigns for or leads election ${JSON.stringify(name)}: give each a session of its own.`;
      throw new ConclaveError('failed-precondition', message, { details: { name } });
    }
    let granted = () => {};
    const turn = new Promise<void>((resolve) => {
      granted = resolve;
    });
    const isFree = line.length === 0;
    const claim: Claim = { leaving, release: () => this.#release(name, claim) };
    line.push({ claim, granted });
    this.#lines.set(name, line);
    if (isFree) return claim;
    onWaiting?.();
    signal.addEventListener('abort', granted, { once: true });
    if (signal.aborted) granted();
    await turn;
    signal.removeEventListener('abort', granted);
    if (!signal.aborted) return claim;
    claim.release();
    throw ConclaveError.aborted(`Waiting for election ${JSON.stringify(name)}`, signal);
  }

  #release(name: string, claim: Claim): void {
    const line = this.#lines.get(name);
    const at = line?.findIndex((one) => one.claim === claim) ?? -1;
    if (line === undefined || at < 0) return;
    line.splice(at, 1);
    if (line.length === 0) this.#lines.delete(name);
    else if (at === 0) line[0]?.granted();
  }
}
