/** Users, roles and their permissions: what is replicated of them, how it is changed, and what may be read of it. */

export type PermissionType = 'read' | 'write' | 'readwrite';
/** What an operation wants to do with keys. */
export type Access = 'read' | 'write';

/** `rangeEnd` as in a range request: empty for one key, [0] for all keys from `key` on. */
export interface Permission {
  readonly type: PermissionType;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export interface UserInfo {
  readonly name: string;
  /** As the member that took the request made it; empty where the user has none. */
  readonly passwordHash: string;
  /** Proves itself by a TLS certificate alone. */
  readonly noPassword: boolean;
  /** In byte order. */
  readonly roles: readonly string[];
  /** The auth revision at which this user was made or last got a password: tokens of before it are void. */
  readonly credentialRevision: number;
}

export interface RoleInfo {
  readonly name: string;
  /** In the order of their keys. */
  readonly permissions: readonly Permission[];
}

/** For whom a command is applied, and the auth revision at which that member knew who it was. */
export interface CommandAuthor {
  readonly user: string;
  readonly authRevision: number;
}

export type AuthChange =
  /** `tokenKey`: fresh random bytes, the secret under which members sign tokens until auth is disabled. */
  | { readonly kind: 'enable'; readonly tokenKey: Uint8Array }
  | { readonly kind: 'disable' }
  | {
      readonly kind: 'userAdd';
      readonly user: string;
      readonly passwordHash: string;
      readonly noPassword: boolean;
    }
  | { readonly kind: 'userDelete'; readonly user: string }
  | { readonly kind: 'userChangePassword'; readonly user: string; readonly passwordHash: string }
  | { readonly kind: 'userGrantRole'; readonly user: string; readonly role: string }
  | { readonly kind: 'userRevokeRole'; readonly user: string; readonly role: string }
  | { readonly kind: 'roleAdd'; readonly role: string }
  | { readonly kind: 'roleDelete'; readonly role: string }
  | { readonly kind: 'roleGrantPermission'; readonly role: string; readonly permission: Permission }
  | {
      readonly kind: 'roleRevokePermission';
      readonly role: string;
      readonly key: Uint8Array;
      readonly rangeEnd: Uint8Array;
    };

/** A proven identity for a while: who, under which password, since auth was enabled at which revision. */
export interface Login {
  readonly user: string;
  readonly credentialRevision: number;
  readonly enabledRevision: number;
}

export type AuthFailure =
  | 'root-user-missing'
  | 'root-role-missing'
  | 'user-exists'
  | 'user-name-empty'
  | 'user-not-found'
  | 'role-exists'
  | 'role-name-empty'
  | 'role-not-found'
  | 'role-not-granted'
  | 'permission-not-granted'
  | 'invalid-auth-management'
  | 'permission-denied'
  | 'auth-revision-old'
  | 'auth-not-enabled';

/** What the API needs to know of users and roles. Nothing here changes anything. */
export interface AuthReader {
  readonly enabled: boolean;
  /** Rises with each change, but not with enabling. 1 at first. */
  readonly revision: number;
  /** The auth revision at which it was enabled last: two enablings never share one. 0 while disabled. */
  readonly enabledRevision: number;
  /** Secret. Empty while disabled. */
  readonly tokenKey: Uint8Array;
  user(name: string): UserInfo | undefined;
  /** The user at about that place among all, of those that have a password; undefined where there is none. */
  userWithPassword(number: number): UserInfo | undefined;
  /** Names in byte order. */
  users(): string[];
  role(name: string): RoleInfo | undefined;
  roles(): string[];
  /** Undefined: nobody extended it, so its own time counts. */
  tokenExpiresMs(tokenId: Uint8Array): number | undefined;
  /** Why this may not be done now; undefined: it may. An undefined author is one who did not say who it is. */
  checkRange(
    author: CommandAuthor | undefined,
    access: Access,
    key: Uint8Array,
    rangeEnd: Uint8Array,
  ): AuthFailure | undefined;
  /** Whether the author has the root role. */
  checkAdmin(author: CommandAuthor | undefined): AuthFailure | undefined;
  /** Whether the author is a user. */
  checkUser(author: CommandAuthor | undefined): AuthFailure | undefined;
}
