/** Changes how many slots there are, while they are in use. */
import { ConclaveError } from '../errors/index.ts';
import { closeSlots, enterSlots, type Slots, soon } from './slots.ts';
import { writeSlots } from './slots-record.ts';
import { type WaitLimit, waitAtMost } from './wait-limit.ts';

/** Through the turnstile, so that nobody enters meanwhile; those slots that go away are waited for and held. */
export async function resizeSlots(slots: Slots, options: WaitLimit): Promise<void> {
  const { session, count, what } = slots;
  await waitAtMost(session.settings.runtime, what, options, session, async (signal) => {
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
        const held = [turnstile, ...entered.slots.map(({ leadership }) => leadership)];
        const leave = () => Promise.all(held.map((one) => one.resign()));
        const isWritten = await writeSlots(turnstile, count, signal).finally(() =>
          signal.aborted ? soon(slots, leave()) : leave(),
        );
        if (isWritten) return;
        if (signal.aborted) throw mayBeDone(what, signal);
      }
    } finally {
      await closeSlots(slots);
    }
  });
}

function mayBeDone(what: string, { reason: cause }: AbortSignal): ConclaveError {
  const message = `Resizing ${what} was aborted by its signal while the new number was written.`;
  return new ConclaveError('aborted', message, { outcome: 'unknown', cause });
}
