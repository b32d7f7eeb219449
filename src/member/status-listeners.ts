import type { Logger } from './logger.ts';
import type { MemberStatus } from './types.ts';

/** Who hears of changes of a member. */
export class StatusListeners {
  private readonly listeners = new Set<(status: MemberStatus) => void>();
  private readonly logger: Logger;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  /** Returns how to hear no more. */
  add(listener: (status: MemberStatus) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The status is worked out only where somebody listens. */
  tell(status: () => MemberStatus): void {
    if (this.listeners.size === 0) return;
    const now = status();
    for (const listener of [...this.listeners]) {
      try {
        listener(now);
      } catch (error) {
        this.logger.error({ error: String(error) }, 'A listener for changes of the member threw.');
      }
    }
  }
}
