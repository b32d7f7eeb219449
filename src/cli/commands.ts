import type { Command } from 'commander';

export interface CommandModule {
  /** `finish` hears what the process is to exit with. */
  readonly add: (program: Command, finish: (exitCode: number) => void) => void;
}

/**
 * In the order in which the help shows them. A process runs one command, and a member runs for months: it is not to hold
 * what the others need, such as the client of its own API.
 */
const commands: Readonly<Record<string, () => Promise<CommandModule>>> = {
  serve: async () => ({ add: (await import('./serve/command.ts')).addServe }),
  dev: async () => ({ add: (await import('./dev/command.ts')).addDev }),
  elect: async () => ({ add: (await import('./elect/command.ts')).addElect }),
  observe: async () => ({ add: (await import('./observe.ts')).addObserve }),
  get: async () => ({ add: (await import('./keys/get.ts')).addGet }),
  put: async () => ({ add: (await import('./keys/put.ts')).addPut }),
  del: async () => ({ add: (await import('./keys/del.ts')).addDel }),
  watch: async () => ({ add: (await import('./keys/watch.ts')).addWatch }),
  migrate: async () => ({ add: (await import('./migrate.ts')).addMigrate }),
  status: async () => ({ add: (await import('./status.ts')).addStatus }),
  check: async () => ({ add: (await import('./operations/check/command.ts')).addCheck }),
  member: async () => ({ add: (await import('./operations/member.ts')).addMember }),
  'move-leader': async () => ({ add: (await import('./operations/move-leader.ts')).addMoveLeader }),
  snapshot: async () => ({ add: (await import('./operations/snapshot.ts')).addSnapshot }),
  compact: async () => ({ add: (await import('./operations/compact.ts')).addCompact }),
  defrag: async () => ({ add: (await import('./operations/defrag.ts')).addDefrag }),
  alarm: async () => ({ add: (await import('./operations/alarm.ts')).addAlarm }),
  auth: async () => ({ add: (await import('./users/auth.ts')).addAuth }),
  user: async () => ({ add: (await import('./users/user.ts')).addUser }),
  role: async () => ({ add: (await import('./users/role.ts')).addRole }),
  simulate: async () => ({ add: (await import('./simulate/command.ts')).addSimulate }),
};

/** What a command line needs that begins with `word`: one command where it names one, else all, for help and advice. */
export async function loadCommands(word?: string): Promise<CommandModule[]> {
  const one = word === undefined || !Object.hasOwn(commands, word) ? undefined : commands[word];
  return one === undefined ? Promise.all(Object.values(commands).map((load) => load())) : [await one()];
}
