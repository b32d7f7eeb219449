import type { Block } from '../../simulation/pool/index.ts';

/** "12,345". */
export function grouped(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/** "42 s", "7 min 5 s", "833 h 20 min": for times that may be long. */
export function longTime(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${grouped(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** Simulated seconds for each second of processor time: neighbours on the machine do not count. */
export function speedOf(block: Pick<Block, 'totals' | 'usedMs'>): number {
  return block.usedMs === 0 ? 0 : block.totals.simulatedMs / block.usedMs;
}
