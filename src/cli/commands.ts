import type { Command } from 'commander';

/** `finish` hears what the process is to exit with. */
export type AddCommand = (program: Command, finish: (exitCode: number) => void) => void;

/**
 * In the order in which the help shows them. A process runs one command, and a member runs for months: it is not to hold
 * what the others need, such as the client of its own API.
 */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  serve: async () => (await import('./serve/command.ts')).addServe,
  dev: async () => (await import('./dev/command.ts')).addDev,
  elect: async () => (await import('./elect/command.ts')).addElect,
  observe: async () => (await import('./observe.ts')).addObserve,
  get: async () => (await import('./keys/get.ts')).addGet,
  put: async () => (await import('./keys/put.ts')).addPut,
  del: async () => (await import('./keys/del.ts')).addDel,
  watch: async () => (await import('./keys/watch.ts')).addWatch,
  migrate: async () => (await import('./migrate.ts')).addMigrate,
  status: async () => (await import('./status.ts')).addStatus,
  check: async () => (await import('./operations/check/command.ts')).addCheck,
  member: async () => (await import('./operations/member.ts')).addMember,
  'move-leader': async () => (await import('./operations/move-leader.ts')).addMoveLeader,
  snapshot: async () => (await import('./operations/snapshot.ts')).addSnapshot,
  compact: async () => (await import('./operations/compact.ts')).addCompact,
  defrag: async () => (await import('./operations/defrag.ts')).addDefrag,
  alarm: async () => (await import('./operations/alarm.ts')).addAlarm,
  auth: async () => (await import('./users/auth.ts')).addAuth,
  user: async () => (await import('./users/user.ts')).addUser,
  role: async () => (await import('./users/role.ts')).addRole,
  simulate: async () => (await import('./simulate/command.ts')).addSimulate,
};

/** What a command line needs that begins with `word`: one command where it names one, else all, for help and advice. */
export async function loadCommands(word?: string): Promise<AddCommand[]> {
  const one = word === undefined || !Object.hasOwn(commands, word) ? undefined : commands[word];
  return one === undefined ? Promise.all(Object.values(commands).map((load) => load())) : [await one()];
}
