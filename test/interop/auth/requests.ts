// Steps of random sequences about users, roles and what they may do, and how each is asked for.
import fc from 'fast-check';
import {
  AuthDisableRequest,
  AuthEnableRequest,
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGetRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleListRequest,
  AuthRoleRevokePermissionRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGetRequest,
  AuthUserGrantRoleRequest,
  AuthUserListRequest,
  AuthUserRevokeRoleRequest,
  Compare,
  DeleteRangeRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  type MethodDescriptor,
  PutRequest,
  RangeRequest,
  RequestOp,
  services,
  TxnRequest,
} from '../../../src/wire/index.ts';

const { Auth, KV, Lease } = services;
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** One call; `as`: whose token goes with it. */
export interface Call {
  readonly type: 'call';
  readonly as: string;
  readonly name: string;
  readonly method: MethodDescriptor<never, unknown>;
  readonly request: unknown;
}
export interface Login {
  readonly type: 'login';
  readonly user: string;
  readonly password: string;
}
export type Step = Call | Login;

export const actors = ['root', 'root', 'root', 'ann', 'ann', 'bob', 'nobody', 'forger'] as const;
export const users = ['root', 'ann', 'bob'] as const;
export const roles = ['reader', 'writer', 'root'] as const;
export const someLease = 77n;

const key = fc.constantFrom('a', 'aa', 'b', 'c', 'd').map(bytes);
const end = fc.constantFrom('', '', '', 'b', 'c', 'd', 'e', '\0').map(bytes);
/** Of a request. Whether one that ends before it begins is permitted is an accident of etcd's interval tree. */
const place = fc.record({ key, end }).map(({ key, end }) => {
  const upsideDown = end.length > 0 && end[0] !== 0 && Buffer.compare(end, key) <= 0;
  return { key, rangeEnd: upsideDown ? bytes('') : end };
});
const user = fc.constantFrom<string>(...users, 'ann', 'bob', '', 'carl');
const role = fc.constantFrom<string>(...roles, 'reader', 'writer', '', 'other');
const password = fc.constantFrom('one', 'two');

type Made<Req> = fc.Arbitrary<Omit<Call, 'as' | 'type'>> & { readonly of?: Req };
function call<Req, Res>(method: MethodDescriptor<Req, Res>, request: fc.Arbitrary<Req>): Made<Req> {
  const name = method.path.split('/').at(-1) ?? '';
  return request.map((made) => ({ name, method: method as never, request: made }));
}

/** Above its key, or without an end: what an upside-down permission does is an accident of etcd's tree. */
const grantedRange = fc.constantFrom(
  ['a', ''],
  ['b', ''],
  ['a', 'b'],
  ['a', 'c'],
  ['b', 'd'],
  ['c', '\0'],
  ['d', 'e'],
);
const permission = fc.record({
  place: grantedRange,
  permType: fc.constantFrom(0 as const, 1 as const, 2 as const),
});

const put = fc.record({ key, prevKv: fc.boolean() });
const putWithLease = fc.record({ key, lease: fc.constantFrom(0n, 0n, someLease), prevKv: fc.boolean() });
const remove = fc.record({ place, prevKv: fc.boolean() }).map(({ place, prevKv }) => ({ ...place, prevKv }));
const range = fc
  .record({ place, serializable: fc.boolean() })
  .map(({ place, serializable }) => ({ ...place, serializable }));
/** Not with `prevKv`, a lease or nested: there etcd 3.4.23 forgets to look, and we do not. */
const operation = fc.oneof(
  fc
    .record({ key })
    .map((value) => RequestOp.create({ request: { $case: 'requestPut', value: PutRequest.create(value) } })),
  range.map((value) =>
    RequestOp.create({ request: { $case: 'requestRange', value: RangeRequest.create(value) } }),
  ),
  remove.map((value) =>
    RequestOp.create({ request: { $case: 'requestDeleteRange', value: DeleteRangeRequest.create(value) } }),
  ),
);
const compare = place.map((value) => Compare.create({ ...value, target: 0, result: 1 }));
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 2 });
/** Never without a key: etcd lets anybody run a transaction that asks for nothing. */
const txn = fc.record({
  compare: fc.array(compare, { minLength: 1, maxLength: 2 }),
  success: list(operation),
  failure: list(operation),
});

const changes = fc.oneof(
  call(
    Auth.userAdd,
    fc.record({ name: user, password }).map((made) => AuthUserAddRequest.create(made)),
  ),
  call(
    Auth.userDelete,
    user.map((name) => AuthUserDeleteRequest.create({ name })),
  ),
  call(
    Auth.userChangePassword,
    fc.record({ name: user, password }).map((made) => AuthUserChangePasswordRequest.create(made)),
  ),
  call(
    Auth.userGrantRole,
    fc.record({ user, role }).map((made) => AuthUserGrantRoleRequest.create(made)),
  ),
  call(
    Auth.userGrantRole,
    fc.record({ user, role }).map((made) => AuthUserGrantRoleRequest.create(made)),
  ),
  call(
    Auth.userRevokeRole,
    fc.record({ name: user, role }).map((made) => AuthUserRevokeRoleRequest.create(made)),
  ),
  call(
    Auth.roleAdd,
    role.map((name) => AuthRoleAddRequest.create({ name })),
  ),
  call(
    Auth.roleDelete,
    role.map((name) => AuthRoleDeleteRequest.create({ role: name })),
  ),
  ...[1, 2, 3].map(() =>
    call(
      Auth.roleGrantPermission,
      fc.record({ role, permission }).map(({ role: name, permission: { place, permType } }) => {
        const [from = '', to = ''] = place;
        const perm = { permType, key: bytes(from), rangeEnd: bytes(to) };
        return AuthRoleGrantPermissionRequest.create({ name, perm });
      }),
    ),
  ),
  call(
    Auth.roleRevokePermission,
    fc.record({ role, place: grantedRange }).map(({ role: name, place: [from = '', to = ''] }) => {
      return AuthRoleRevokePermissionRequest.create({ role: name, key: bytes(from), rangeEnd: bytes(to) });
    }),
  ),
  call(Auth.authEnable, fc.constant(AuthEnableRequest.create({}))),
  call(Auth.authDisable, fc.constant(AuthDisableRequest.create({}))),
);

const looks = fc.oneof(
  call(
    Auth.userGet,
    // To etcd, who sends no token is the user '' and may look at itself.
    user.map((name) => AuthUserGetRequest.create({ name: name === '' ? 'carl' : name })),
  ),
  call(Auth.userList, fc.constant(AuthUserListRequest.create({}))),
  call(
    Auth.roleGet,
    role.map((name) => AuthRoleGetRequest.create({ role: name })),
  ),
  call(Auth.roleList, fc.constant(AuthRoleListRequest.create({}))),
);

const keys = fc.oneof(
  call(
    KV.put,
    putWithLease.map((made) => PutRequest.create(made)),
  ),
  call(
    KV.put,
    put.map((made) => PutRequest.create(made)),
  ),
  call(
    KV.range,
    range.map((made) => RangeRequest.create(made)),
  ),
  call(
    KV.range,
    range.map((made) => RangeRequest.create(made)),
  ),
  call(
    KV.deleteRange,
    remove.map((made) => DeleteRangeRequest.create(made)),
  ),
  call(
    KV.txn,
    txn.map((made) => TxnRequest.create(made)),
  ),
);

const as = fc.constantFrom<string>(...actors);
const calls = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ as: fc.constantFrom('root', 'root', 'root', 'ann', 'nobody'), made: changes }),
  },
  { weight: 1, arbitrary: fc.record({ as, made: looks }) },
  { weight: 6, arbitrary: fc.record({ as, made: keys }) },
);
const login = fc.record({
  type: fc.constant('login' as const),
  user: fc.constantFrom<string>(...users),
  password,
});

/** A lease is there from the start; what ends it, or shows its keys, belongs to a user here. */
const leases = fc.record({
  as: fc.constantFrom('root', 'ann', 'bob'),
  made: call(Lease.leaseTimeToLive, fc.constant(LeaseTimeToLiveRequest.create({ ID: someLease }))),
});
export const revokeTheLease = call(
  Lease.leaseRevoke,
  fc.constant(LeaseRevokeRequest.create({ ID: someLease })),
);

export const sequences: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: calls.map(({ as: actor, made }): Step => ({ type: 'call', as: actor, ...made })),
    },
    { weight: 2, arbitrary: login },
    {
      weight: 1,
      arbitrary: leases.map(({ as: actor, made }): Step => ({ type: 'call', as: actor, ...made })),
    },
    {
      weight: 1,
      arbitrary: fc
        .record({ as: fc.constantFrom('root', 'ann', 'bob'), made: revokeTheLease })
        .map(({ as: actor, made }): Step => ({ type: 'call', as: actor, ...made })),
    },
  ),
  { minLength: 10, maxLength: 60 },
);
