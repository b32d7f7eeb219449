/** Binary form of what is replicated of users and roles: changes in the log, and the whole in a snapshot. */
import { copyBytes, decodeUtf8, encodeUtf8 } from '../bytes.ts';
import { readChoice, writeChoice } from '../codec-requests.ts';
import type { Reader, Writer } from '../encoding.ts';
import { MalformedData } from '../errors.ts';
import type { AuthState } from './auth-state.ts';
import type { ExtendedToken } from './extended-tokens.ts';
import type { AuthChange, CommandAuthor, Login, Permission, PermissionType } from './types.ts';

const changeKinds: readonly AuthChange['kind'][] = [
  'enable',
  'disable',
  'userAdd',
  'userDelete',
  'userChangePassword',
  'userGrantRole',
  'userRevokeRole',
  'roleAdd',
  'roleDelete',
  'roleGrantPermission',
  'roleRevokePermission',
];
const permissionTypes: readonly PermissionType[] = ['read', 'write', 'readwrite'];

export function writeText(writer: Writer, text: string): void {
  writer.bytes(encodeUtf8(text));
}

export function readText(reader: Reader): string {
  const text = decodeUtf8(reader.bytes());
  if (text === undefined) throw new MalformedData('The name of a user or role is not UTF-8.');
  return text;
}

function writePermission(writer: Writer, { type, key, rangeEnd }: Permission): void {
  writeChoice(writer, permissionTypes, type, 'permission');
  writer.bytes(key);
  writer.bytes(rangeEnd);
}

function readPermission(reader: Reader): Permission {
  const type = readChoice(reader, permissionTypes, 'permission');
  return { type, key: copyBytes(reader.bytes()), rangeEnd: copyBytes(reader.bytes()) };
}

export function writeAuthChange(writer: Writer, change: AuthChange): void {
  writeChoice(writer, changeKinds, change.kind, 'change of auth');
  if ('user' in change) writeText(writer, change.user);
  if ('role' in change) writeText(writer, change.role);
  if (change.kind === 'enable') writer.bytes(change.tokenKey);
  else if (change.kind === 'roleGrantPermission') writePermission(writer, change.permission);
  else if (change.kind === 'roleRevokePermission') {
    writer.bytes(change.key);
    writer.bytes(change.rangeEnd);
  } else if (change.kind === 'userChangePassword') writeText(writer, change.passwordHash);
  else if (change.kind === 'userAdd') {
    writeText(writer, change.passwordHash);
    writer.boolean(change.noPassword);
  }
}

export function readAuthChange(reader: Reader): AuthChange {
  const kind = readChoice(reader, changeKinds, 'change of auth');
  switch (kind) {
    case 'enable':
      return { kind, tokenKey: reader.bytes() };
    case 'disable':
      return { kind };
    case 'userAdd':
      return { kind, user: readText(reader), passwordHash: readText(reader), noPassword: reader.boolean() };
    case 'userDelete':
      return { kind, user: readText(reader) };
    case 'userChangePassword':
      return { kind, user: readText(reader), passwordHash: readText(reader) };
    case 'userGrantRole':
    case 'userRevokeRole':
      return { kind, user: readText(reader), role: readText(reader) };
    case 'roleAdd':
    case 'roleDelete':
      return { kind, role: readText(reader) };
    case 'roleGrantPermission':
      return { kind, role: readText(reader), permission: readPermission(reader) };
    case 'roleRevokePermission':
      return { kind, role: readText(reader), key: reader.bytes(), rangeEnd: reader.bytes() };
  }
}

export function writeAuthor(writer: Writer, author: CommandAuthor): void {
  writeText(writer, author.user);
  writer.varint(author.authRevision);
}

export function readAuthor(reader: Reader): CommandAuthor {
  return { user: readText(reader), authRevision: reader.varint() };
}

export function writeLogin(writer: Writer, login: Login): void {
  writeText(writer, login.user);
  writer.varint(login.credentialRevision);
  writer.varint(login.enabledRevision);
}

export function readLogin(reader: Reader): Login {
  return {
    user: readText(reader),
    credentialRevision: reader.varint(),
    enabledRevision: reader.varint(),
  };
}

/** Users and roles: few, and copied at once. The tokens follow, by `writeTokens`. */
export function writeUsersAndRoles(writer: Writer, auth: AuthState): void {
  writer.boolean(auth.enabled);
  writer.varint(auth.revision);
  writer.varint(auth.enabledRevision);
  writer.bytes(auth.tokenKey);
  const users = auth.users();
  writer.varint(users.length);
  for (const name of users) {
    const user = auth.user(name);
    if (user === undefined) continue;
    writeText(writer, name);
    writeText(writer, user.passwordHash);
    writer.boolean(user.noPassword);
    writer.varint(user.credentialRevision);
    writer.varint(user.roles.length);
    for (const role of user.roles) writeText(writer, role);
  }
  const roles = auth.roles();
  writer.varint(roles.length);
  for (const name of roles) {
    const permissions = auth.role(name)?.permissions ?? [];
    writeText(writer, name);
    writer.varint(permissions.length);
    for (const permission of permissions) writePermission(writer, permission);
  }
}

/** Some of them. */
export function writeTokens(writer: Writer, tokens: readonly ExtendedToken[]): void {
  writer.varint(tokens.length);
  for (const { id, expiresMs } of tokens) {
    writer.bytes(id);
    writer.varint(expiresMs);
  }
}

function readList<T>(reader: Reader, read: () => T): T[] {
  const items: T[] = [];
  for (let count = reader.count(); count > 0; count--) items.push(read());
  return items;
}

/** Fills a fresh state: users, roles and the first tokens. */
export function readAuthState(reader: Reader, auth: AuthState): void {
  auth.enabled = reader.boolean();
  auth.revision = reader.varint();
  auth.enabledRevision = reader.varint();
  auth.tokenKey = copyBytes(reader.bytes());
  for (const user of readList(reader, () => readUser(reader))) auth.addUser(user);
  for (let count = reader.count(); count > 0; count--) {
    const name = readText(reader);
    auth.addRole({ name, permissions: readList(reader, () => readPermission(reader)) });
  }
  readTokens(reader, auth);
}

/** More of them. */
export function readTokens(reader: Reader, auth: AuthState): void {
  for (let count = reader.count(); count > 0; count--) {
    const id = reader.bytes();
    auth.tokens.extend(id, reader.varint(), 0);
  }
}

function readUser(reader: Reader) {
  const name = readText(reader);
  const passwordHash = readText(reader);
  const noPassword = reader.boolean();
  const credentialRevision = reader.varint();
  const roles = readList(reader, () => readText(reader));
  return { name, passwordHash, noPassword, roles, credentialRevision };
}
