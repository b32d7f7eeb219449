import type { Attachment } from '../../client/index.ts';
import type { SessionConnection } from '../../election/store.ts';

export function connectionOf(attachment: Attachment): SessionConnection {
  return {
    graceMs: attachment.graceMs,
    // A lease that is gone is told by the next renewal; to the connection it is a break that is not repaired.
    subscribe: (listener) =>
      attachment.subscribe((state) => listener(state === 'attached' ? 'attached' : 'broken')),
  };
}
