/** What a process says of itself in the roster: JSON in the metadata of its place. */
import { isLayout, type Layout, leastWeight, mostWeight } from './options.ts';

export interface Member {
  readonly holder: string;
  readonly weight: number;
  /** As the process gave it, for example its address. */
  readonly metadata: string;
  /** What it was started with; what counts is the agreed one. */
  readonly declared: Layout;
}

export function encodeMember({ weight, metadata, declared }: Omit<Member, 'holder'>): string {
  return JSON.stringify({ format: 1, weight, metadata, ...declared });
}

/** undefined: no member of these partitions. It can be given nothing, since nobody knows what it would take. */
export function decodeMember(holder: string, text: string): Member | undefined {
  try {
    const { format, weight, metadata, count, keys } = JSON.parse(text) as Record<string, unknown>;
    const declared = count === undefined ? { keys } : { count };
    if (format !== 1 || !isLayout(declared) || typeof metadata !== 'string') return undefined;
    if (typeof weight !== 'number' || !(weight >= leastWeight && weight <= mostWeight)) return undefined;
    return { holder, weight, metadata, declared };
  } catch {
    return undefined;
  }
}
