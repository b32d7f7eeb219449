import type { Runtime } from '../runtime/types.ts';
import { Attachment } from './attachment.ts';
import type { CallOptions } from './calls.ts';
import type { Endpoints } from './endpoints.ts';

export interface AttachmentsContext {
  readonly endpoints: Endpoints;
  readonly runtime: Runtime;
  readonly timeoutMs: number;
}

/** All leases that are bound to a client's connection. */
export class Attachments {
  readonly #context: AttachmentsContext;
  readonly #open = new Set<Attachment>();

  constructor(context: AttachmentsContext) {
    this.#context = context;
  }

  /** Resolves when the lease is bound. */
  async open(lease: bigint, graceMs: number, call: CallOptions): Promise<Attachment> {
    const { endpoints, runtime, timeoutMs } = this.#context;
    const onClosed = (): void => {
      this.#open.delete(attachment);
    };
    const attachment: Attachment = new Attachment({ endpoints, runtime, lease, graceMs, onClosed });
    this.#open.add(attachment);
    try {
      await attachment.attached({ timeoutMs, ...call });
      return attachment;
    } catch (error) {
      await attachment.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((attachment) => attachment.close()));
  }
}
