/**
 * What every command of `conclave` exits with. One table, used by the code, the help and the reference.
 *
 * Conclave's own failures lie in 100 to 119, which programs seldom use, so that `conclave elect` can pass its
 * command's own code through and a supervisor can still tell the two apart.
 */
export const exitCodes = {
  ok: { code: 0, meaning: 'Success. For elect: the command ended with 0 while it led.' },
  failed: {
    code: 1,
    meaning:
      'Another failure. For dev and simulate: something that must never happen was seen. For check: a problem.',
  },
  usage: {
    code: 100,
    meaning: 'Bad usage: unknown flag, malformed value, flags that contradict each other.',
  },
  unreachable: { code: 101, meaning: 'The store could not be reached, or gave no answer, within its time.' },
  leadershipLost: { code: 102, meaning: 'elect --once: leadership was lost and the command was stopped.' },
  guardianFailed: { code: 103, meaning: 'elect: the guardian died or hung; the command was killed.' },
  notElected: { code: 104, meaning: 'elect: leadership was not won within --timeout.' },
  notThere: {
    code: 105,
    meaning: 'get: there is no such key. put, del: it is not at --if-revision, and nothing was changed.',
  },
  addressInUse: { code: 110, meaning: 'serve: a listen address is in use or cannot be bound.' },
  dataLocked: { code: 111, meaning: 'serve: the data folder is in use by another process.' },
  dataIncompatible: {
    code: 112,
    meaning:
      'The data is of another cluster or member, of a newer format, or not ours; the message names it.',
  },
  dataDamaged: {
    code: 113,
    meaning: 'Stored data failed its checks; the message names where.',
  },
  diskFailed: { code: 114, meaning: 'serve, snapshot: the disk refused a read, a write or a sync.' },
  diskFull: {
    code: 115,
    meaning: 'serve, snapshot: the disk has no space left. Others: the quota of the members is used up.',
  },
  removed: {
    code: 116,
    meaning: 'serve: the member was removed from its cluster, or lost its data: it must be added anew.',
  },
  internal: { code: 119, meaning: 'A bug in Conclave: please report it.' },
  notExecutable: { code: 126, meaning: 'elect: the command was found and could not be executed.' },
  notFound: { code: 127, meaning: 'elect: the command was not found.' },
} as const satisfies Record<string, { code: number; meaning: string }>;

export type ExitReason = keyof typeof exitCodes;

/** 128 plus the signal's number, as shells have it: interrupted, or the command died by that signal. */
export function exitCodeOfSignal(signalNumber: number): number {
  return 128 + signalNumber;
}

/** The table as lines of text; for one command, without the lines that only concern others. */
export function describeExitCodes(command?: string): string {
  const rows: [string, string][] = Object.values(exitCodes).map(({ code, meaning }) => [
    String(code),
    meaning,
  ]);
  rows.push(['128+n', 'Interrupted by signal n. For elect: the command ended by signal n while it led.']);
  const concerned = rows.filter(([, meaning]) => {
    const only = /^(serve|elect|get)(?:, [a-z]+)?\b.*?:/.exec(meaning)?.[1];
    return command === undefined || only === undefined || only === command;
  });
  return concerned.map(([code, meaning]) => `${code.padStart(5)}  ${meaning}`).join('\n');
}
