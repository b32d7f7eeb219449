import type { Process } from '../world/process.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { Overlaps } from './overlaps.ts';
import type { Fault } from './schedule.ts';
import {
  candidateFor,
  memberFor,
  nothingToUndo,
  oneOf,
  type Strikable,
  type StrikableMember,
  type Strike,
  type Targets,
} from './targets.ts';

export function strikeProcess(fault: Fault, targets: Targets, overlaps: Overlaps): Strike {
  const member = memberFor(fault, targets);
  switch (fault.kind) {
    case 'kill':
      member.kill();
      member.holdDown();
      return () => member.release();
    case 'power-failure':
      return losePower(member);
    case 'restart':
      member.stop();
      member.holdDown();
      return () => member.release();
    case 'rolling-restart':
      return rollingRestart(fault, targets);
    case 'pause':
      return pause(member);
    case 'block-loop':
      member.process?.block(fault.durationMs * 1000);
      return nothingToUndo;
    case 'slow-loop':
      return slowLoop(fault, member, overlaps);
    case 'kill-client':
      return killAndRestart(oneOf(targets.clients, fault.whom));
    case 'kill-candidate':
      return killAndRestart(candidateFor(fault, targets));
    case 'pause-client':
      return pause(oneOf(targets.clients, fault.whom));
    case 'pause-candidate':
      return pause(candidateFor(fault, targets));
    case 'pause-publisher':
      return pausePublisher(targets);
    case 'block-candidate':
      return block(fault, candidateFor(fault, targets));
    default:
      return undefined;
  }
}

/** Clocks: what time seems to be, and hosts that stand still. */
export function strikeClock(fault: Fault, targets: Targets): Strike {
  switch (fault.kind) {
    case 'wall-jump':
      return jumpWall(fault, targets);
    case 'host-sleep':
      return sleep(memberFor(fault, targets));
    case 'sleep-candidate':
      return sleep(candidateFor(fault, targets));
    default:
      return undefined;
  }
}

/**
 * Wall clocks jump anywhere, those of hosts that are awake also back: one that is set back about when its host sleeps
 * hides the sleep, which nobody there can notice then (docs/guides/guarantees.md).
 */
function jumpWall(fault: Fault, targets: Targets): Strike {
  const { members, candidates, clients } = targets;
  const all: readonly Strikable[] = [...members, ...candidates, ...clients];
  // Members are few among all; half of the jumps are for them.
  const target = (fault.whom >>> 16) % 2 === 0 ? memberFor(fault, targets) : oneOf(all, fault.whom);
  if (target === undefined) return undefined;
  const byMs = (fault.how % 20_000) + 1;
  const back = !target.host.asleep && fault.how % 2 === 0;
  target.host.jumpWall(back ? -byMs : byMs);
  targets.world.note(target.name, () => `the wall clock jumps ${back ? 'back' : 'ahead'} by ${byMs} ms`);
  return nothingToUndo;
}

function sleep(target: Strikable | undefined): Strike {
  if (target === undefined || target.host.asleep) return undefined;
  const { process, host } = target;
  process?.pause();
  host.sleep();
  return () => {
    host.wake();
    process?.resume();
  };
}

function pause(target: Strikable | undefined): Strike {
  const process = target?.process;
  if (!process?.alive) return undefined;
  process.pause();
  return () => process.resume();
}

/** Whoever writes to the shared folder next stands still before the write is published: others go on meanwhile. */
function pausePublisher({ shared }: Targets): Strike {
  if (shared.onNextWrite !== undefined) return undefined;
  let paused: Process | undefined;
  const listener = (process: Process): void => {
    paused = process;
    process.pause();
  };
  shared.onNextWrite = listener;
  return () => {
    if (shared.onNextWrite === listener) shared.onNextWrite = undefined;
    paused?.resume();
  };
}

function block({ durationMs }: Fault, target: Strikable | undefined): Strike {
  if (!target?.process?.alive) return undefined;
  if (target.block === undefined) target.process.block(durationMs * 1000);
  else target.block(durationMs * 1000);
  return nothingToUndo;
}

function slowLoop({ how }: Fault, { process }: StrikableMember, overlaps: Overlaps): Strike {
  if (!process?.alive) return undefined;
  return overlaps.override(process, { stepCostUs: 50 + (how % 1000) });
}

function losePower(member: StrikableMember): Strike {
  member.losePower();
  member.holdDown();
  return () => {
    member.powerOn();
    member.release();
  };
}

function killAndRestart(target: Strikable | undefined): Strike {
  if (!target?.process?.alive) return undefined;
  target.kill();
  return () => target.start();
}

/** One member after the other is stopped and started, as an upgrade does. */
function rollingRestart(fault: Fault, { members, world }: Targets): Strike {
  // Each has its share of the time: a third of it down, the rest to come back.
  const shareUs = (fault.durationMs * 1000) / members.length;
  const held = new Set<StrikableMember>();
  const release = (member: StrikableMember): void => {
    if (held.delete(member)) member.release();
  };
  const events = members.flatMap((member, at) => [
    world.scheduler.after(at * shareUs, eventKinds.fault, undefined, () => {
      member.stop();
      member.holdDown();
      held.add(member);
    }),
    world.scheduler.after((at + 1 / 3) * shareUs, eventKinds.fault, undefined, () => release(member)),
  ]);
  return () => {
    for (const event of events) world.scheduler.cancel(event);
    for (const member of [...held]) release(member);
  };
}
