/** What partitions tell the outside, given to `onEvent` and published on `node:diagnostics_channel`. */
import { channel } from 'node:diagnostics_channel';
import { deliver } from '../election/events.ts';
import type { ElectionEvent, LossCause } from '../election/index.ts';

/**
 * Why a partition is given up. `moved`: it is assigned to another member now; `closing`: these partitions close;
 * `layout-changed`: there are more partitions, so other keys belong to it; `job-failed`: its job threw; `lost`: the
 * leadership was lost, and another process may lead already.
 */
export type RevocationReason = 'moved' | 'closing' | 'layout-changed' | 'job-failed' | 'lost';

interface Common {
  /** Of the partitions. */
  readonly name: string;
  readonly holder: string;
}

interface OfLeadership extends Common {
  readonly partition: string;
  readonly token: number;
}

/** Times are milliseconds. */
export type PartitionsEvent =
  /** The members among whom partitions are spread. */
  | (Common & {
      readonly type: 'partitions-members';
      readonly members: readonly string[];
      readonly joined: readonly string[];
      readonly left: readonly string[];
    })
  /** How many partitions are agreed; `declared`: how many this process was started with. */
  | (Common & {
      readonly type: 'partitions-layout';
      readonly agreed: number;
      readonly before: number | undefined;
      readonly declared: number;
    })
  | (OfLeadership & { readonly type: 'partition-led' })
  | (OfLeadership & {
      readonly type: 'partition-revoked';
      readonly reason: RevocationReason;
      /** Who it is assigned to now. */
      readonly to: string | undefined;
    })
  /** The leadership has ended, and its job, too. */
  | (OfLeadership & {
      readonly type: 'partition-released';
      readonly cause: LossCause;
      /** From the revocation. */
      readonly drainedInMs: number;
    })
  /** The job still runs `drainMs` after it was told to stop. It keeps the partition if that was not lost. */
  | (OfLeadership & { readonly type: 'drain-overran'; readonly elapsedMs: number })
  /** `onAssigned` or `onRevoked` threw. */
  | (OfLeadership & { readonly type: 'partition-job-failed'; readonly error: unknown })
  /** These partitions cannot go on here, for example since a later version laid them out. Nothing is campaigned for. */
  | (Common & { readonly type: 'partitions-refused'; readonly error: unknown });

export type PartitionsEventListener = (event: PartitionsEvent | ElectionEvent) => void;

/** The `node:diagnostics_channel` names; each carries the events of its type. */
export const partitionsChannels = {
  'partitions-members': 'conclave:partitions:members',
  'partitions-layout': 'conclave:partitions:layout',
  'partition-led': 'conclave:partitions:led',
  'partition-revoked': 'conclave:partitions:revoked',
  'partition-released': 'conclave:partitions:released',
  'drain-overran': 'conclave:partitions:drain-overran',
  'partition-job-failed': 'conclave:partitions:job-failed',
  'partitions-refused': 'conclave:partitions:refused',
} as const satisfies Record<PartitionsEvent['type'], string>;

const channels = Object.fromEntries(
  Object.entries(partitionsChannels).map(([type, name]) => [type, channel(name)]),
) as Record<PartitionsEvent['type'], ReturnType<typeof channel>>;

export function publishPartitions(
  event: PartitionsEvent,
  listener: PartitionsEventListener | undefined,
): void {
  deliver(channels[event.type], event, listener);
}
