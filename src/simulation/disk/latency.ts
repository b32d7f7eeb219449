import type { DiskOperation } from '../../runtime/virtual/index.ts';
import type { Draw } from '../world/random.ts';

const bytesInAMicrosecond = 500;

/** How long an operation takes on a solid-state disk: mostly near the least, now and then many times that. */
export function latencyUs(random: Draw, kind: DiskOperation | 'other', sizeBytes: number): number {
  const transferUs = sizeBytes / bytesInAMicrosecond;
  if (kind === 'sync' || kind === 'sync-folder') return random.tailed(200, 250) + transferUs;
  if (kind === 'write' || kind === 'truncate') return random.tailed(15, 20) + transferUs;
  return random.tailed(8, 15) + transferUs;
}
