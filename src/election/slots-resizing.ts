/** Changes how many slots there are, while they are in use. */
import { ConclaveError } from '../errors/index.ts';
import { closeSlots, enterSlots, type Slots } from './slots.ts';
import { writeSlots } from './slots-record.ts';
import { type WaitLimit, waitAtMost } from './wait-limit.ts';

/** Through the turnstile, so that nobody enters meanwhile; those slots that go away are waited for and held. */
export async function resizeSlots(slots: Slots, options: WaitLimit): Promise<void> {
  const { session, count, what } = slots;
  await waitAtMost(session.settings.runtime, what, options, async (signal) => {
    try {
      for (;;) {
        const entered = await enterSlots(
          slots,
          (recorded = count) => ({
            all: Array.from({ length: Math.max(recorded - count, 0) }, (_, at) => count + at),
          }),
          undefined,
          signal,
        );
        const { turnstile } = entered;
        const isWritten = await writeSlots(turnstile, count);
        await Promise.all(
          [turnstile, ...entered.slots.map(({ leadership }) => leadership)].map((one) => one.resign()),
        );
        if (isWritten) return;
        if (signal.aborted) throw ConclaveError.aborted(`Resizing ${what}`, signal);
      }
    } finally {
      await closeSlots(slots);
    }
  });
}
