/** One look at a member's monotonic clock: what it said, and when, by this machine's clock, it was asked and answered. */
export interface ClockReading {
  readonly askedMs: number;
  readonly answeredMs: number;
  readonly memberMs: number;
}

/** How much faster than this machine's clock a member's runs, as a share; `uncertainty` bounds the error of it. */
export interface ClockRate {
  readonly rate: number;
  readonly uncertainty: number;
}

/** Of several readings the quickest answered says most. */
export function bestReading(readings: readonly ClockReading[]): ClockReading | undefined {
  return [...readings].sort((a, b) => a.answeredMs - a.askedMs - (b.answeredMs - b.askedMs))[0];
}

export function clockRate(first: ClockReading, second: ClockReading): ClockRate {
  const at = (reading: ClockReading) => (reading.askedMs + reading.answeredMs) / 2;
  const passedMs = at(second) - at(first);
  const doubtMs = (first.answeredMs - first.askedMs + second.answeredMs - second.askedMs) / 2;
  return {
    rate: (second.memberMs - first.memberMs) / passedMs - 1,
    uncertainty: doubtMs / passedMs,
  };
}

/**
 * Each against the one in the middle: the clock of the machine that asks must not count. At least by how much, given the
 * uncertainties; 0 where that explains all of it.
 */
export function deviations(rates: readonly ClockRate[]): number[] {
  const sorted = [...rates].sort((a, b) => a.rate - b.rate);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)] ?? { rate: 0, uncertainty: 0 };
  return rates.map(({ rate, uncertainty }) => {
    const difference = Math.abs(rate - middle.rate);
    return Math.max(0, difference - uncertainty - middle.uncertainty);
  });
}
