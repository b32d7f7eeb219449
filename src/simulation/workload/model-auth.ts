import type {
  AuthChange,
  AuthFailure,
  Command,
  CommandAuthor,
  Operation,
  PutRequest,
  TxnRequest,
} from '../../keyspace/index.ts';
import { textOf } from './model-values.ts';

export type Access = 'read' | 'write';

interface Allowed {
  readonly type: 'read' | 'write' | 'readwrite';
  readonly key: string;
  readonly end: string;
}

/** Users, roles and whether they count, once more from etcd's documentation: never changed, but replaced. */
export class AuthModel {
  readonly enabled: boolean;
  readonly revision: number;
  readonly #users: ReadonlyMap<string, readonly string[]>;
  readonly #roles: ReadonlyMap<string, readonly Allowed[]>;

  constructor(
    enabled = false,
    revision = 1,
    users: ReadonlyMap<string, readonly string[]> = new Map(),
    roles: ReadonlyMap<string, readonly Allowed[]> = new Map(),
  ) {
    this.enabled = enabled;
    this.revision = revision;
    this.#users = users;
    this.#roles = roles;
  }

  /** What the change makes of it, or why it makes nothing. */
  changed(change: AuthChange): AuthModel | AuthFailure {
    switch (change.kind) {
      case 'enable':
        return this.#enabled();
      case 'disable':
        return this.enabled ? new AuthModel(false, this.revision + 1, this.#users, this.#roles) : this;
      case 'userAdd':
        return this.#users.has(change.user) ? 'user-exists' : this.#withUser(change.user, []);
      case 'userChangePassword': {
        const roles = this.#users.get(change.user);
        return roles === undefined ? 'user-not-found' : this.#withUser(change.user, roles);
      }
      case 'userGrantRole':
        return this.#granted(change.user, change.role);
      case 'userRevokeRole':
        return this.#revoked(change.user, change.role);
      case 'roleAdd':
        return this.#roles.has(change.role) ? 'role-exists' : this.#withRole(change.role, []);
      case 'roleGrantPermission': {
        const { type, key, rangeEnd } = change.permission;
        const known = this.#roles.get(change.role);
        if (known === undefined) return 'role-not-found';
        const allowed = { type, key: textOf(key), end: textOf(rangeEnd) };
        return this.#withRole(change.role, [...without(known, allowed), allowed]);
      }
      case 'roleRevokePermission': {
        const known = this.#roles.get(change.role);
        if (known === undefined) return 'role-not-found';
        const left = without(known, { key: textOf(change.key), end: textOf(change.rangeEnd) });
        return left.length === known.length ? 'permission-not-granted' : this.#withRole(change.role, left);
      }
      default:
        throw new Error(`The model knows no ${change.kind}.`);
    }
  }

  /** Why this is not for the author now, which is told of where it does not say who it is. */
  refusal(
    command: Command,
    author: CommandAuthor | undefined,
    keysOf: (lease: bigint) => Iterable<string>,
  ): AuthFailure | undefined {
    if (!this.enabled || !isGuarded(command)) return undefined;
    if (author === undefined) return 'user-name-empty';
    const roles = this.#users.get(author.user);
    if (command.type === 'auth') return roles?.includes('root') ? undefined : 'permission-denied';
    if (author.authRevision < this.revision) return 'auth-revision-old';
    if (roles?.includes('root')) return undefined;
    const may = (access: Access, key: string, end: string): boolean =>
      this.may(author.user, access, key, end);
    const mayEnd = (lease: bigint): boolean => [...keysOf(lease)].every((key) => may('write', key, ''));
    return mayApply(command, may, mayEnd) ? undefined : 'permission-denied';
  }

  may(user: string, access: Access, key: string, end: string): boolean {
    if (!this.enabled) return true;
    const roles = this.#users.get(user) ?? [];
    if (roles.includes('root')) return true;
    let reached = key;
    const until = end === '' ? `${key}\0` : end === '\0' ? '\uffff' : end;
    const those = roles
      .flatMap((role) => this.#roles.get(role) ?? [])
      .filter(({ type }) => type.includes(access));
    // Each permission may carry it on a little.
    for (let carried = true; carried && reached < until; ) {
      carried = false;
      for (const allowed of those) {
        const to = allowed.end === '' ? `${allowed.key}\0` : allowed.end === '\0' ? '\uffff' : allowed.end;
        if (allowed.key > reached || to <= reached) continue;
        reached = to;
        carried = true;
      }
    }
    return reached >= until && those.length > 0;
  }

  #enabled(): AuthModel | AuthFailure {
    if (this.enabled) return this;
    const roles = this.#users.get('root');
    if (roles === undefined) return 'root-user-missing';
    return roles.includes('root')
      ? new AuthModel(true, this.revision, this.#users, this.#roles)
      : 'root-role-missing';
  }

  #granted(user: string, role: string): AuthModel | AuthFailure {
    const roles = this.#users.get(user);
    if (roles === undefined) return 'user-not-found';
    if (role !== 'root' && !this.#roles.has(role)) return 'role-not-found';
    return roles.includes(role) ? this : this.#withUser(user, [...roles, role]);
  }

  #revoked(user: string, role: string): AuthModel | AuthFailure {
    const roles = this.#users.get(user);
    if (roles === undefined) return 'user-not-found';
    if (!roles.includes(role)) return 'role-not-granted';
    return this.#withUser(
      user,
      roles.filter((one) => one !== role),
    );
  }

  #withUser(user: string, roles: readonly string[]): AuthModel {
    const users = new Map(this.#users).set(user, roles);
    return new AuthModel(this.enabled, this.revision + 1, users, this.#roles);
  }

  #withRole(role: string, allowed: readonly Allowed[]): AuthModel {
    const roles = new Map(this.#roles).set(role, allowed);
    return new AuthModel(this.enabled, this.revision + 1, this.#users, roles);
  }
}

function without(known: readonly Allowed[], place: Pick<Allowed, 'key' | 'end'>): readonly Allowed[] {
  return known.filter(({ key, end }) => key !== place.key || end !== place.end);
}

type May = (access: Access, key: string, end: string) => boolean;
type Guarded = Extract<
  Command,
  { type: 'put' | 'deleteRange' | 'txn' | 'txnSequence' | 'leaseRevoke' | 'attach' | 'auth' }
>;

const guarded: ReadonlySet<string> = new Set([
  ...['put', 'deleteRange', 'txn', 'txnSequence', 'leaseRevoke', 'attach', 'auth'],
]);

function isGuarded(command: Command): command is Guarded {
  return guarded.has(command.type);
}

function mayApply(
  command: Exclude<Guarded, { type: 'auth' }>,
  may: May,
  mayEnd: (lease: bigint) => boolean,
): boolean {
  const mayPut = ({ key, prevKv, lease }: PutRequest): boolean =>
    may('write', textOf(key), '') &&
    (!prevKv || may('read', textOf(key), '')) &&
    (lease === 0n || mayEnd(lease));
  const mayOperate = (operation: Operation): boolean => {
    if (operation.type === 'put') return mayPut(operation.request);
    if (operation.type === 'txn') return mayTxn(operation.request);
    const [key, end] = [textOf(operation.request.key), textOf(operation.request.rangeEnd)];
    if (operation.type === 'range') return may('read', key, end);
    return may('write', key, end) && (!operation.request.prevKv || may('read', key, end));
  };
  const mayTxn = ({ compare, success, failure }: TxnRequest): boolean =>
    compare.every(({ key, rangeEnd }) => may('read', textOf(key), textOf(rangeEnd))) &&
    [...success, ...failure].every(mayOperate);
  switch (command.type) {
    case 'put':
    case 'deleteRange':
    case 'txn':
      return mayOperate(command);
    case 'txnSequence':
      return command.requests.every(mayTxn);
    default:
      return mayEnd(command.lease);
  }
}
