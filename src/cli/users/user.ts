import type { Command } from 'commander';
import { addSubcommands } from './command.ts';
import { readNewPassword } from './password.ts';

/** `conclave user …`. */
export function addUser(program: Command, finish: (exitCode: number) => void): void {
  const user = program.command('user').description('List and change the users of the cluster.');
  addSubcommands(
    user,
    [
      {
        name: 'add',
        words: '<NAME>',
        description: 'Add a user. The password is asked for, or read from stdin.',
        flags: [
          ['--no-password', 'The user has none, and proves itself by a TLS certificate of this common name.'],
        ],
        async act(client, [name = ''], { password }, call) {
          await client.users.add(name, password === false ? undefined : await readNewPassword(name), call);
          return `User ${name} is added.`;
        },
      },
      {
        name: 'get',
        words: '<NAME>',
        description: "Show a user's roles.",
        listing: true,
        async act(client, [name = ''], _options, call) {
          const roles = await client.users.get(name, call);
          return {
            heading: ['USER', 'ROLES'],
            rows: [[name, roles.join(', ') || '-']],
            json: [{ user: name, roles }],
          };
        },
      },
      {
        name: 'list',
        words: '',
        description: 'Show all users.',
        listing: true,
        async act(client, _words, _options, call) {
          const users = await client.users.list(call);
          return {
            heading: ['USER'],
            rows: users.map((one) => [one]),
            json: users.map((one) => ({ user: one })),
          };
        },
      },
      {
        name: 'delete',
        words: '<NAME>',
        description: 'Delete a user.',
        async act(client, [name = ''], _options, call) {
          await client.users.delete(name, call);
          return `User ${name} is deleted.`;
        },
      },
      {
        name: 'passwd',
        words: '<NAME>',
        description: "Change a user's password, which is asked for, or read from stdin.",
        async act(client, [name = ''], _options, call) {
          await client.users.changePassword(name, await readNewPassword(name), call);
          return `User ${name} has a new password.`;
        },
      },
      {
        name: 'grant-role',
        words: '<NAME> <ROLE>',
        description: 'Give a role to a user. The role root may do everything.',
        async act(client, [name = '', role = ''], _options, call) {
          await client.users.grantRole(name, role, call);
          return `User ${name} has the role ${role}.`;
        },
      },
      {
        name: 'revoke-role',
        words: '<NAME> <ROLE>',
        description: 'Take a role from a user.',
        async act(client, [name = '', role = ''], _options, call) {
          await client.users.revokeRole(name, role, call);
          return `User ${name} has the role ${role} no more.`;
        },
      },
    ],
    finish,
  );
}
