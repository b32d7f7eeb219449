import type { Command } from 'commander';
import { prefixEnd, toBytes } from '../../client/index.ts';
import type { Permission } from '../../wire/index.ts';
import { CommandFailure } from '../failure.ts';
import { printable } from '../keys/text.ts';
import { addSubcommands } from './command.ts';

const types = ['read', 'write', 'readwrite'] as const;

const rangeFlags = [
  ['--prefix', 'All keys that begin with KEY.'],
  ['--from-key', 'All keys from KEY on.'],
] as const;

/** `conclave role …`. */
export function addRole(program: Command, finish: (exitCode: number) => void): void {
  const role = program
    .command('role')
    .description('List and change the roles of the cluster, and what they may do with which keys.');
  addSubcommands(
    role,
    [
      {
        name: 'add',
        words: '<NAME>',
        description: 'Add a role, which may do nothing at first.',
        async act(client, [name = ''], _options, call) {
          await client.users.addRole(name, call);
          return `Role ${name} is added.`;
        },
      },
      {
        name: 'get',
        words: '<NAME>',
        description: 'Show what a role may do.',
        listing: true,
        async act(client, [name = ''], _options, call) {
          const permissions = (await client.users.getRole(name, call)).map(described);
          return {
            heading: ['PERMISSION', 'KEYS'],
            rows: permissions.map(({ permission, keys }) => [permission, keys]),
            json: permissions.map(({ permission, key, rangeEnd }) => ({ permission, key, rangeEnd })),
          };
        },
      },
      {
        name: 'list',
        words: '',
        description: 'Show all roles.',
        listing: true,
        async act(client, _words, _options, call) {
          const roles = await client.users.listRoles(call);
          return {
            heading: ['ROLE'],
            rows: roles.map((one) => [one]),
            json: roles.map((one) => ({ role: one })),
          };
        },
      },
      {
        name: 'delete',
        words: '<NAME>',
        description: 'Delete a role, and take it from all users.',
        async act(client, [name = ''], _options, call) {
          await client.users.deleteRole(name, call);
          return `Role ${name} is deleted.`;
        },
      },
      {
        name: 'grant-permission',
        words: '<ROLE> <PERMISSION> <KEY> [RANGE_END]',
        description: 'Permit a role to read, write or readwrite a key, or the keys from KEY up to RANGE_END.',
        flags: rangeFlags,
        async act(client, [name = '', type = '', ...range], options, call) {
          const { key, rangeEnd } = rangeOf(range, options);
          const permType = types.indexOf(type as (typeof types)[number]);
          if (permType < 0) {
            throw new CommandFailure('usage', `PERMISSION is '${type}'; give read, write or readwrite.`);
          }
          const permission = { permType: permType as Permission['permType'], key, rangeEnd };
          await client.users.grantPermission(name, permission, call);
          return `Role ${name} may ${described(permission).sentence}.`;
        },
      },
      {
        name: 'revoke-permission',
        words: '<ROLE> <KEY> [RANGE_END]',
        description: 'Take back what was granted for exactly these keys.',
        flags: rangeFlags,
        async act(client, [name = '', ...range], options, call) {
          const { key, rangeEnd } = rangeOf(range, options);
          await client.users.revokePermission(name, { key, rangeEnd }, call);
          return `Role ${name} may no more do with ${keysText(key, rangeEnd)} what it was granted.`;
        },
      },
    ],
    finish,
  );
}

/** As etcdctl reads it: with `--prefix` or `--from-key` an empty KEY stands for all keys. */
function rangeOf(
  [key = '', end]: readonly string[],
  { prefix, fromKey }: Readonly<Record<string, unknown>>,
): { key: Uint8Array; rangeEnd: Uint8Array } {
  if (Number(prefix === true) + Number(fromKey === true) + Number(end !== undefined) > 1) {
    throw new CommandFailure(
      'usage',
      'RANGE_END, --prefix and --from-key contradict each other: give one of them.',
    );
  }
  const start = toBytes(key);
  const all = new Uint8Array(1);
  if (prefix !== true && fromKey !== true) {
    if (key === '') throw new CommandFailure('usage', 'KEY is empty; with --prefix it stands for all keys.');
    return { key: start, rangeEnd: toBytes(end ?? '') };
  }
  if (key === '') return { key: all, rangeEnd: all };
  return { key: start, rangeEnd: prefix === true ? prefixEnd(start) : all };
}

function described({ permType, key, rangeEnd }: Permission) {
  const permission = types[permType] ?? String(permType);
  const keys = keysText(key, rangeEnd);
  const [keyText, endText] = [printable(key), printable(rangeEnd)];
  return { permission, keys, sentence: `${permission} ${keys}`, key: keyText, rangeEnd: endText };
}

function keysText(key: Uint8Array, rangeEnd: Uint8Array): string {
  const isAll = rangeEnd.length === 1 && rangeEnd[0] === 0;
  if (rangeEnd.length === 0) return printable(key);
  if (isAll)
    return key.length === 0 || (key.length === 1 && key[0] === 0)
      ? 'all keys'
      : `${printable(key)} and after`;
  const isPrefix = Buffer.compare(prefixEnd(key), rangeEnd) === 0;
  return isPrefix ? `${printable(key)}*` : `${printable(key)} up to ${printable(rangeEnd)}`;
}
