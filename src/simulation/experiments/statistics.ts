/** The least of the values that so large a share of all is not above. `ascending` must not be empty. */
export function quantile(ascending: readonly number[], share: number): number {
  const position = Math.max(0, Math.ceil(share * ascending.length) - 1);
  const value = ascending[position];
  if (value === undefined) throw new RangeError('There are no values.');
  return value;
}
