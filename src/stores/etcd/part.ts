import type { KeyValue } from '../../wire/index.ts';
import type { Part } from '../conclave/part.ts';

/** What a session knows of one election that it takes part in, or once did. */
export interface EtcdPart extends Part {
  /** Modification of its `left` key, 0 where there is none; may be behind, and is read again then. */
  left: number;
  /** A withdrawal was sent of which it is not known whether it is still to come: the next attempt settles that. */
  unsettled: boolean;
  /** An attempt may still be on the way that only the `left` key keeps from taking effect. */
  doubtful: boolean;
  /** Modification of what it writes while it leads; may be behind, and is read again then. */
  modified: { leader: number; record: number };
}

export function newPart(of: {
  readonly priority: number;
  readonly metadata: string;
  readonly place: Uint8Array;
}): EtcdPart {
  return {
    ...of,
    placeRevision: undefined,
    token: undefined,
    withdrawing: false,
    left: 0,
    unsettled: false,
    doubtful: false,
    modified: { leader: 0, record: 0 },
  };
}

/** It came to lead, and found this record. */
export function notice(part: EtcdPart, token: number, record: KeyValue | undefined): void {
  part.modified = { leader: token, record: record?.modRevision ?? 0 };
}
