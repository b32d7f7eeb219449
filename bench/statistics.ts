export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function milliseconds(values: readonly number[]): string {
  return `${format(median(values))} ms p50, ${format(Math.max(...values))} ms worst of ${values.length}`;
}

export function format(value: number): string {
  if (value >= 100) return Math.round(value).toString();
  return value.toFixed(1);
}
