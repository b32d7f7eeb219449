import type { Command } from 'commander';

/** One for each command whose help has none of its own; `program.test.ts` sees to it that none is forgotten. */
const examples: Readonly<Record<string, string>> = {
  'member list': 'conclave member list --json',
  'member add': 'conclave member add m4 --peer-urls http://10.0.0.4:2380 --learner',
  'member promote': 'conclave member promote m4',
  'member remove': 'conclave member remove m1',
  'member update': 'conclave member update m3 --peer-urls http://10.0.0.33:2380',
  'member replace': 'conclave member replace m2           # its disk is lost',
  snapshot: 'conclave snapshot save monday.snapshot && conclave snapshot status monday.snapshot',
  'snapshot status': 'conclave snapshot status monday.snapshot',
  'alarm list': 'conclave alarm list',
  'alarm disarm': 'conclave alarm disarm',
  'auth enable':
    'conclave auth enable                 # after: conclave user add root; conclave user grant-role root root',
  'auth disable': 'conclave auth disable --user root',
  'auth status': 'conclave auth status --json',
  user: 'conclave user add reporter && conclave user grant-role reporter reports',
  'user add': 'conclave user add reporter < password-file',
  'user get': 'conclave user get reporter',
  'user list': 'conclave user list',
  'user delete': 'conclave user delete reporter',
  'user passwd': 'conclave user passwd reporter',
  'user grant-role': 'conclave user grant-role reporter reports',
  'user revoke-role': 'conclave user revoke-role reporter reports',
  role: 'conclave role add reports && conclave role grant-permission reports readwrite reports/ --prefix',
  'role add': 'conclave role add reports',
  'role get': 'conclave role get reports',
  'role list': 'conclave role list',
  'role delete': 'conclave role delete reports',
  'role grant-permission': 'conclave role grant-permission reports readwrite reports/ --prefix',
  'role revoke-permission': 'conclave role revoke-permission reports reports/ --prefix',
  version: 'conclave version',
};

/** Adds to the help of each command its example. Returns the names of the commands that `program` does not have. */
export function addExamples(program: Command): string[] {
  const commands = new Map<string, Command>();
  const walk = (parent: Command, path: readonly string[]): void => {
    for (const command of parent.commands) {
      const words = [...path, command.name()];
      commands.set(words.join(' '), command);
      walk(command, words);
    }
  };
  walk(program, []);
  for (const [path, example] of Object.entries(examples)) {
    commands.get(path)?.addHelpText('after', `\nExample:\n  $ ${example}`);
  }
  return Object.keys(examples).filter((path) => !commands.has(path));
}
