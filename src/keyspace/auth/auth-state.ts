/** Users, roles and whether they count: etcd's rules for each change, and the answers to who may do what. */
import {
  compareBytes,
  copyBytes,
  emptyBytes,
  encodeUtf8,
  equalBytes,
  finishHash,
  hashBytes,
  mixNumber,
} from '../bytes.ts';
import { ExtendedTokens } from './extended-tokens.ts';
import { Grants, rootRole, rootUser } from './grants.ts';
import type {
  Access,
  AuthChange,
  AuthFailure,
  AuthReader,
  CommandAuthor,
  Login,
  Permission,
  RoleInfo,
  UserInfo,
} from './types.ts';

function inByteOrder(names: Iterable<string>): string[] {
  const encoded = [...names].map((name) => ({ name, bytes: encodeUtf8(name) }));
  return encoded.sort((left, right) => compareBytes(left.bytes, right.bytes)).map(({ name }) => name);
}

export class AuthState implements AuthReader {
  enabled = false;
  revision = 1;
  enabledRevision = 0;
  tokenKey: Uint8Array = emptyBytes;
  readonly tokens = new ExtendedTokens();
  private readonly usersByName = new Map<string, UserInfo>();
  private readonly rolesByName = new Map<string, RoleInfo>();
  /** Worked out when first asked for after a change. */
  private readonly grants = new Map<string, Grants>();

  user(name: string): UserInfo | undefined {
    return this.usersByName.get(name);
  }

  userWithPassword(number: number): UserInfo | undefined {
    let left = number % Math.max(1, this.usersByName.size);
    let first: UserInfo | undefined;
    for (const user of this.usersByName.values()) {
      if (!user.noPassword) first ??= user;
      if (left-- <= 0 && !user.noPassword) return user;
    }
    return first;
  }

  users(): string[] {
    return inByteOrder(this.usersByName.keys());
  }

  role(name: string): RoleInfo | undefined {
    return this.rolesByName.get(name);
  }

  roles(): string[] {
    return inByteOrder(this.rolesByName.keys());
  }

  tokenExpiresMs(tokenId: Uint8Array): number | undefined {
    return this.tokens.expiresMs(tokenId);
  }

  checkRange(
    author: CommandAuthor | undefined,
    access: Access,
    key: Uint8Array,
    rangeEnd: Uint8Array,
  ): AuthFailure | undefined {
    const grants = this.grantsOf(author);
    if (typeof grants === 'string') return grants;
    return grants === undefined || grants.may(access, key, rangeEnd) ? undefined : 'permission-denied';
  }

  /** Not bound to the author's auth revision, as in etcd: what counts is whether the user has the role now. */
  checkAdmin(author: CommandAuthor | undefined): AuthFailure | undefined {
    if (!this.enabled) return undefined;
    if (author === undefined) return 'user-name-empty';
    return this.usersByName.get(author.user)?.roles.includes(rootRole) ? undefined : 'permission-denied';
  }

  checkUser(author: CommandAuthor | undefined): AuthFailure | undefined {
    if (!this.enabled) return undefined;
    if (author === undefined) return 'user-name-empty';
    return this.usersByName.has(author.user) ? undefined : 'permission-denied';
  }

  /** What the author may do; undefined while auth is off, so anything; a failure where it is nobody. */
  grantsOf(author: CommandAuthor | undefined): Grants | AuthFailure | undefined {
    if (!this.enabled) return undefined;
    if (author === undefined) return 'user-name-empty';
    if (author.authRevision < this.revision) return 'auth-revision-old';
    const known = this.grants.get(author.user);
    if (known !== undefined) return known;
    const user = this.usersByName.get(author.user);
    if (user === undefined) return 'permission-denied';
    const roles = user.roles.flatMap((name) => this.rolesByName.get(name) ?? []);
    const grants = new Grants(user.roles.includes(rootRole), roles);
    this.grants.set(author.user, grants);
    return grants;
  }

  /** Whether the login still stands: same user, same password, and not disabled since. */
  checkLogin(login: Login): AuthFailure | undefined {
    if (!this.enabled) return 'auth-not-enabled';
    const same =
      login.enabledRevision === this.enabledRevision &&
      login.credentialRevision === this.usersByName.get(login.user)?.credentialRevision;
    return same ? undefined : 'auth-revision-old';
  }

  /** The failure, if any; then nothing has changed. */
  change(change: AuthChange): AuthFailure | undefined {
    switch (change.kind) {
      case 'enable':
        return this.enable(change.tokenKey);
      case 'disable':
        return this.disable();
      case 'userAdd':
      case 'userDelete':
      case 'userChangePassword':
        return this.changeUser(change);
      case 'userGrantRole':
        return this.grantRole(change.user, change.role);
      case 'userRevokeRole':
        return this.revokeRole(change.user, change.role);
      case 'roleAdd':
        if (change.role === '') return 'role-name-empty';
        if (this.rolesByName.has(change.role)) return 'role-exists';
        return this.putRole({ name: change.role, permissions: [] });
      case 'roleDelete':
        return this.deleteRole(change.role);
      case 'roleGrantPermission':
        return this.grantPermission(change.role, change.permission);
      case 'roleRevokePermission':
        return this.revokePermission(change.role, change.key, change.rangeEnd);
    }
  }

  /** As in etcd, enabling leaves the revision as it is; disabling raises it. */
  private enable(tokenKey: Uint8Array): AuthFailure | undefined {
    if (this.enabled) return undefined;
    const root = this.usersByName.get(rootUser);
    if (root === undefined) return 'root-user-missing';
    if (!root.roles.includes(rootRole)) return 'root-role-missing';
    this.enabled = true;
    this.enabledRevision = this.revision;
    this.tokenKey = copyBytes(tokenKey);
    return undefined;
  }

  private disable(): undefined {
    if (!this.enabled) return;
    this.enabled = false;
    this.enabledRevision = 0;
    this.tokenKey = emptyBytes;
    this.tokens.clear();
    this.changed();
  }

  private changeUser(
    change: Extract<AuthChange, { kind: 'userAdd' | 'userDelete' | 'userChangePassword' }>,
  ): AuthFailure | undefined {
    const name = change.user;
    const user = this.usersByName.get(name);
    if (change.kind === 'userAdd') {
      if (name === '') return 'user-name-empty';
      if (user !== undefined) return 'user-exists';
      this.changed();
      const { noPassword, passwordHash } = change;
      const credentials = { passwordHash: noPassword ? '' : passwordHash, noPassword };
      this.addUser({ name, ...credentials, roles: [], credentialRevision: this.revision });
      return undefined;
    }
    if (change.kind === 'userDelete') {
      if (this.enabled && name === rootUser) return 'invalid-auth-management';
      if (user === undefined) return 'user-not-found';
      this.changed();
      this.usersByName.delete(name);
      return undefined;
    }
    if (user === undefined) return 'user-not-found';
    this.changed();
    const passwordHash = user.noPassword ? '' : change.passwordHash;
    this.addUser({ ...user, passwordHash, credentialRevision: this.revision });
    return undefined;
  }

  private grantRole(name: string, role: string): AuthFailure | undefined {
    const user = this.usersByName.get(name);
    if (user === undefined) return 'user-not-found';
    // The root role need not be made.
    if (role !== rootRole && !this.rolesByName.has(role)) return 'role-not-found';
    if (user.roles.includes(role)) return undefined;
    this.addUser({ ...user, roles: inByteOrder([...user.roles, role]) });
    return this.changed();
  }

  private revokeRole(name: string, role: string): AuthFailure | undefined {
    if (this.enabled && name === rootUser && role === rootRole) return 'invalid-auth-management';
    const user = this.usersByName.get(name);
    if (user === undefined) return 'user-not-found';
    if (!user.roles.includes(role)) return 'role-not-granted';
    this.addUser({ ...user, roles: user.roles.filter((one) => one !== role) });
    return this.changed();
  }

  private deleteRole(name: string): AuthFailure | undefined {
    if (this.enabled && name === rootRole) return 'invalid-auth-management';
    if (!this.rolesByName.delete(name)) return 'role-not-found';
    for (const user of this.usersByName.values()) {
      if (!user.roles.includes(name)) continue;
      this.addUser({ ...user, roles: user.roles.filter((role) => role !== name) });
    }
    return this.changed();
  }

  private grantPermission(name: string, permission: Permission): AuthFailure | undefined {
    const role = this.rolesByName.get(name);
    if (role === undefined) return 'role-not-found';
    const copy = { ...permission, key: copyBytes(permission.key), rangeEnd: copyBytes(permission.rangeEnd) };
    const permissions = [...role.permissions];
    const at = permissions.findIndex((one) => samePlace(one, copy.key, copy.rangeEnd));
    if (at >= 0) permissions[at] = copy;
    else permissions.push(copy);
    return this.putRole({ name, permissions: permissions.sort((a, b) => compareBytes(a.key, b.key)) });
  }

  private revokePermission(name: string, key: Uint8Array, rangeEnd: Uint8Array): AuthFailure | undefined {
    const role = this.rolesByName.get(name);
    if (role === undefined) return 'role-not-found';
    const permissions = role.permissions.filter((one) => !samePlace(one, key, rangeEnd));
    if (permissions.length === role.permissions.length) return 'permission-not-granted';
    return this.putRole({ name, permissions });
  }

  private putRole(role: RoleInfo): undefined {
    this.addRole(role);
    this.changed();
  }

  /** Nobody is logged in any more. Users and passwords stay. */
  voidTokens(): void {
    this.tokens.clear();
    this.changed();
    if (this.enabled) this.enabledRevision = this.revision;
  }

  private changed(): undefined {
    this.revision++;
    this.grants.clear();
  }

  /** Puts a user or role as it is: part of a change, or of a restore. */
  addUser(user: UserInfo): void {
    this.usersByName.set(user.name, user);
  }

  addRole(role: RoleInfo): void {
    this.rolesByName.set(role.name, role);
  }

  /** Over everything. */
  hash(): number {
    const text = (hash: number, value: string): number => bytes(hash, encodeUtf8(value));
    const bytes = (hash: number, value: Uint8Array): number =>
      mixNumber(hash, hashBytes(value, 0, value.length, 0));
    let hash = mixNumber(bytes(this.enabled ? 1 : 0, this.tokenKey), this.revision);
    hash = mixNumber(mixNumber(hash, this.enabledRevision), this.tokens.hash());
    for (const name of this.users()) {
      const user = this.usersByName.get(name) as UserInfo;
      hash = text(text(hash, name), user.passwordHash);
      hash = mixNumber(hash, user.credentialRevision * 2 + (user.noPassword ? 1 : 0));
      for (const role of user.roles) hash = text(hash, role);
    }
    for (const name of this.roles()) {
      hash = text(hash, name);
      for (const { type, key, rangeEnd } of (this.rolesByName.get(name) as RoleInfo).permissions) {
        hash = bytes(bytes(text(hash, type), key), rangeEnd);
      }
    }
    return finishHash(hash);
  }
}

function samePlace(permission: Permission, key: Uint8Array, rangeEnd: Uint8Array): boolean {
  return equalBytes(permission.key, key) && equalBytes(permission.rangeEnd, rangeEnd);
}
