import type { Timer, Timers } from './types.ts';

/** Calls `act` again and again, each time so long after the last one, until it is disposed of. Holds no process up. */
export function regularly(timers: Timers, everyMs: number, act: () => void): Disposable {
  let timer: Timer;
  const later = (): void => {
    timer = timers.after(everyMs, again, { background: true });
  };
  const again = (): void => {
    act();
    later();
  };
  later();
  return { [Symbol.dispose]: () => timer.cancel() };
}
