import type { Command } from 'commander';
import { addSubcommands } from './command.ts';

const help = `
Users come first: without one who is named root and has the role root, auth cannot be enabled.

Examples:
  $ conclave user add root < root-password
  $ conclave user grant-role root root
  $ conclave auth enable
  $ conclave auth disable --user root`;

/** `conclave auth enable|disable|status`. */
export function addAuth(program: Command, finish: (exitCode: number) => void): void {
  const auth = program
    .command('auth')
    .description('Turn users and roles on or off, or tell which it is.')
    .addHelpText('after', help);
  addSubcommands(
    auth,
    [
      {
        name: 'enable',
        words: '',
        description: 'Ask everybody who it is. Takes a user root with the role root.',
        async act(client, _words, _options, call) {
          await client.users.enable(call);
          return 'Auth is enabled.';
        },
      },
      {
        name: 'disable',
        words: '',
        description: 'Let everybody do everything. Users and roles stay.',
        async act(client, _words, _options, call) {
          await client.users.disable(call);
          return 'Auth is disabled.';
        },
      },
      {
        name: 'status',
        words: '',
        description: 'Show whether auth is enabled, and how often users and roles have changed.',
        listing: true,
        async act(client, _words, _options, call) {
          const { enabled, revision } = await client.users.status(call);
          return {
            heading: ['AUTH', 'REVISION'],
            rows: [[enabled ? 'enabled' : 'disabled', revision]],
            json: [{ enabled, revision }],
          };
        },
      },
    ],
    finish,
  );
}
