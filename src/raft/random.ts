/**
 * A small seeded generator (sfc32), uniform in [0, 1): the same seed gives the same sequence on every machine. Not for
 * secrets. A driver seeds each start of a process differently, so that ids drawn from it do not repeat.
 */
export function seededRandom(seed: number): () => number {
  let a = seed >>> 0;
  let b = Math.floor(seed / 0x1_0000_0000) >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };
  // The first outputs of neighbouring seeds are alike.
  for (let round = 0; round < 12; round += 1) next();
  return next;
}
