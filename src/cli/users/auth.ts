import type { Command } from 'commander';
import { addSubcommands } from './command.ts';

/** `conclave auth enable|disable|status`. */
export function addAuth(program: Command, finish: (exitCode: number) => void): void {
  const auth = program
    .command('auth')
    .description('Say whether users and their roles count, or change that.');
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
