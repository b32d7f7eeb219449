import { parseGoDurationMs } from '../durations.ts';
import { CommandFailure } from '../failure.ts';
import type { ServeFlagName } from './flags.ts';
import type { Setting, Settings } from './settings.ts';

export interface CorruptionOptions {
  /** 0: members are not compared. */
  readonly everyMs: number;
  readonly atStart: boolean;
}

export const corruptionFlags = [
  {
    name: 'corrupt-check-time',
    argument: 'TIME',
    defaultText: '0s',
    description: "Time between two comparisons of all members' data; 0s: none.",
  },
  {
    name: 'initial-corrupt-check',
    argument: 'BOOLEAN',
    defaultText: 'false',
    description: "Compare this member's data with that of the others before it serves.",
    boolean: true,
  },
  {
    name: 'experimental-corrupt-check-time',
    argument: 'TIME',
    defaultText: '--corrupt-check-time',
    description: 'The same under the name that etcd 3.5 has for it.',
  },
  {
    name: 'experimental-initial-corrupt-check',
    argument: 'BOOLEAN',
    defaultText: '--initial-corrupt-check',
    description: 'The same under the name that etcd 3.5 has for it.',
    boolean: true,
  },
] as const;

export function resolveCorruption(settings: Settings): CorruptionOptions {
  const every = oneOfBoth(settings, 'corrupt-check-time');
  const atStart = oneOfBoth(settings, 'initial-corrupt-check');
  if (atStart !== undefined && !['true', 'false'].includes(atStart.text)) {
    throw new CommandFailure('usage', `${atStart.origin}: '${atStart.text}' is neither true nor false.`);
  }
  return {
    everyMs: every === undefined ? 0 : parseGoDurationMs(every.text, every.origin),
    atStart: atStart?.text === 'true',
  };
}

function oneOfBoth(
  settings: Settings,
  name: Extract<ServeFlagName, 'corrupt-check-time' | 'initial-corrupt-check'>,
): Setting | undefined {
  const [own, etcds] = [settings[name], settings[`experimental-${name}`]];
  if (own === undefined || etcds === undefined || own.text === etcds.text) return own ?? etcds;
  throw new CommandFailure(
    'usage',
    `${own.origin} and ${etcds.origin} are two names of one setting and contradict each other: give one of them.`,
  );
}
