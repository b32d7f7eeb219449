import type { MessagePort } from 'node:worker_threads';
import type { ConclaveError } from '../errors/index.ts';
import type { CloseCause } from '../runtime/types.ts';

/** Two-way messages, reliable and in order, between a client and a member. Handlers are set once, at the beginning. */
export interface Port<Out, In> {
  /** Queues a message; without effect once the port has ended. */
  post(message: Out): void;
  onMessage: ((message: In) => void) | undefined;
  /** Called once, also after `close`. `reason` where there is more to say; its outcome holds for all that was posted. */
  onClose: ((cause: CloseCause, reason?: ConclaveError) => void) | undefined;
  /** So much was posted and not taken that a sender who can should wait for `onDrained`. */
  readonly full: boolean;
  onDrained: (() => void) | undefined;
  /** Ends the port after what was posted. Idempotent. */
  close(): void;
}

/** A port between two threads of this process. */
export class ThreadPort<Out, In> implements Port<Out, In> {
  onMessage: ((message: In) => void) | undefined;
  onClose: ((cause: CloseCause) => void) | undefined;
  onDrained: (() => void) | undefined;
  /** What threads post to each other is bounded by those who post. */
  readonly full = false;
  readonly #port: MessagePort;
  #closed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: In) => this.onMessage?.(message));
    port.on('close', () => this.onClose?.(this.#closed ? 'local' : 'peer'));
  }

  post(message: Out): void {
    this.#port.postMessage(message);
  }

  close(): void {
    this.#closed = true;
    this.#port.close();
  }
}
