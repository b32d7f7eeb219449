import type { KeyspaceMachine } from '../../keyspace/index.ts';
import type { Logger } from '../../member/index.ts';
import type { MemberObserver } from '../../member/observer.ts';
import type { RaftCore } from '../../raft/index.ts';
import type { MemberSight } from '../observation.ts';
import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import type { Hub } from './hub.ts';

interface Observed {
  readonly hub: Hub;
  readonly member: MemberSight;
  /** Whether this is still the member's process. */
  readonly isPresent: () => boolean;
  /** It has recovered and takes part from now on. */
  readonly recovered: (raft: RaftCore, keyspace: KeyspaceMachine) => void;
}

/** Tells the hub what one life of a member does. */
export function observerOf(
  process: Process,
  { hub, member, isPresent, recovered }: Observed,
): MemberObserver {
  let recovering = true;
  return {
    recovered: (raft, keyspace) => {
      if (!isPresent()) return;
      recovering = false;
      tellReads(raft, member, hub);
      recovered(raft, keyspace);
      hub.memberStarted(member);
    },
    drained: (effects) => {
      if (process.alive) hub.drained(member, effects);
    },
    applied: (entry, results) => {
      if (process.alive) hub.applied(member, entry, results);
    },
    installed: (snapshot) => {
      if (process.alive && !recovering) hub.installed(member, snapshot);
    },
  };
}

/** What is asked of the core passes by here. */
function tellReads(raft: RaftCore, member: MemberSight, hub: Hub): void {
  const own = raft as { step: RaftCore['step'] };
  const step = raft.step.bind(raft);
  own.step = (event, nowMs) => {
    if (event.type === 'read') hub.asked(member, event.readId);
    step(event, nowMs);
  };
}

/** What a member logs is in the trace, where there is one. */
export function loggerOf({ name }: Process, world: World): Logger {
  const write = (fields: object, message: string): void =>
    world.note(name, () => `${message} ${JSON.stringify(fields)}`);
  return { debug() {}, info: write, warn: write, error: write };
}
