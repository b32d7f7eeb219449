/** Steps in one turn of the host's loop: the loop's own cost is shared by so many. */
const stepsInOneTurn = 64;

/**
 * Calls `step` again and again until it returns false, letting everything that it set off in promises run before the
 * next call. Rejects with what it throws. Nothing may wait for the host meanwhile: such work would run at any time.
 */
export function runSteps(step: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let over = false;
    let left = 0;
    const one = (): void => {
      left -= 1;
      if (over) return;
      try {
        over = !step();
      } catch (error) {
        over = true;
        reject(error);
        return;
      }
      // A step may have set off promises: they run before the next immediate does, and before this resolves.
      if (over) resolve();
      else if (left === 0) arm();
    };
    const arm = (): void => {
      left = stepsInOneTurn;
      for (let count = 0; count < stepsInOneTurn; count++) setImmediate(one);
    };
    arm();
  });
}
