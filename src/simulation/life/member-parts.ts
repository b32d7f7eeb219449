import type { MemberOptions } from '../../member/index.ts';
import type { DamageRecord, DurableReader, SimulatedDisk } from '../disk/index.ts';
import type { SimulatedNetwork } from '../network/index.ts';
import type { Host } from '../world/host.ts';
import type { World } from '../world/world.ts';
import type { Hub } from './hub.ts';

export const clientPort = 2379;
export const peerPort = 2380;
export const dataDir = '/data';

/** What a simulated member is made of. */
export interface SimulatedMemberParts {
  readonly world: World;
  readonly hub: Hub;
  readonly network: SimulatedNetwork;
  readonly host: Host;
  readonly disk: SimulatedDisk;
  readonly durable: DurableReader;
  readonly damage: () => DamageRecord;
  readonly position: number;
  readonly memberId: number;
  readonly options: MemberSettings;
  /** In lives in which members join and leave. */
  readonly membership?: MemberOfMany | undefined;
}

export type MemberSettings = Omit<MemberOptions, 'runtime' | 'observer' | 'logger'>;

/** How a member is part of a cluster whose members change. */
export interface MemberOfMany {
  /** It was added while the cluster ran. */
  readonly joined: boolean;
  /** How it joins now, with an empty disk. */
  joining(): MemberSettings;
  /** Whether the last committed configuration is without it. */
  isRemoved(): boolean;
  /** It found that its state is not that of the others, and serves no more. */
  takenOut(): void;
}
