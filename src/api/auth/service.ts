import type { AuthChange, Login, Permission, UserInfo } from '../../keyspace/types.ts';
import type { ResponseHeader, services } from '../../wire/index.ts';
import type { ApiServices } from '../service.ts';
import { commandFailure, failure } from '../status.ts';
import type { CallContext, HandlerOf } from '../types.ts';
import { forCaller, untilLeft } from '../waiting.ts';
import { acceptedHash } from './passwords.ts';

type Auth = typeof services.Auth;

/** In the order of the proto's numbers. */
const permissionTypes = ['read', 'write', 'readwrite'] as const;
/** Changes that may come between the check of a password and the application of the login. */
const mostAttempts = 8;

export function authService(api: ApiServices): { [Name in keyof Auth]: HandlerOf<Auth[Name]> } {
  const { member, headers, passwords } = api;
  type Answer = Promise<{ header: ResponseHeader }>;

  const change = async (context: CallContext, change: AuthChange): Answer => {
    const { revision, outcome } = await api.access.propose(context, { type: 'auth', change });
    if (outcome.type === 'failed') throw commandFailure(outcome.failure);
    return { header: headers.header(revision) };
  };
  const reading = (context: CallContext): Promise<void> => member.readBarrier(untilLeft(context));

  return {
    authEnable: (_request, context) =>
      change(context, { kind: 'enable', tokenKey: api.runtime.random.bytes(32) }),

    authDisable: (_request, context) => change(context, { kind: 'disable' }),

    async authStatus(_request, context) {
      await reading(context);
      const { enabled, revision } = member.keyspace.auth;
      return { header: headers.header(), enabled, authRevision: revision };
    },

    authenticate: (request, context) => authenticate(api, request, context),

    async userAdd({ name, password, options, hashedPassword }, context) {
      if (name === '') throw failure('userEmpty');
      const noPassword = options?.noPassword ?? false;
      const passwordHash = noPassword ? '' : await hashOf(password, hashedPassword, context);
      return change(context, { kind: 'userAdd', user: name, passwordHash, noPassword });
    },

    async userGet({ name }, context) {
      await reading(context);
      await requireOwn(api, context, (user) => user.name === name);
      const user = member.keyspace.auth.user(name);
      if (user === undefined) throw failure('userNotFound');
      return { header: headers.header(), roles: [...user.roles] };
    },

    async userList(_request, context) {
      await reading(context);
      return { header: headers.header(), users: member.keyspace.auth.users() };
    },

    userDelete: ({ name }, context) => change(context, { kind: 'userDelete', user: name }),

    async userChangePassword({ name, password, hashedPassword }, context) {
      const passwordHash = await hashOf(password, hashedPassword, context);
      return change(context, { kind: 'userChangePassword', user: name, passwordHash });
    },

    userGrantRole: ({ user, role }, context) => change(context, { kind: 'userGrantRole', user, role }),

    userRevokeRole: ({ name, role }, context) =>
      change(context, { kind: 'userRevokeRole', user: name, role }),

    roleAdd: ({ name }, context) => change(context, { kind: 'roleAdd', role: name }),

    async roleGet({ role: name }, context) {
      await reading(context);
      await requireOwn(api, context, (user) => user.roles.includes(name));
      const role = member.keyspace.auth.role(name);
      if (role === undefined) throw failure('roleNotFound');
      return { header: headers.header(), perm: role.permissions.map(wirePermission) };
    },

    async roleList(_request, context) {
      await reading(context);
      return { header: headers.header(), roles: member.keyspace.auth.roles() };
    },

    roleDelete: ({ role }, context) => change(context, { kind: 'roleDelete', role }),

    async roleGrantPermission({ name, perm }, context) {
      if (perm === undefined) throw failure('permissionNotGiven');
      const type = permissionTypes[perm.permType];
      if (type === undefined) throw failure('invalidAuthManagement');
      const permission = { type, key: perm.key, rangeEnd: perm.rangeEnd };
      return change(context, { kind: 'roleGrantPermission', role: name, permission });
    },

    roleRevokePermission: ({ role, key, rangeEnd }, context) =>
      change(context, { kind: 'roleRevokePermission', role, key, rangeEnd }),
  };

  /** Where the caller brings a hash, that; else one of the password. */
  async function hashOf(password: string, hashed: string, context: CallContext): Promise<string> {
    return hashed === '' ? await passwords.hash(password, context) : acceptedHash(hashed);
  }
}

function wirePermission({ type, key, rangeEnd }: Permission) {
  return { permType: permissionTypes.indexOf(type) as 0 | 1 | 2, key, rangeEnd };
}

/** Root may look at all users and roles, others at themselves and at the roles that they have. */
async function requireOwn(
  api: ApiServices,
  context: CallContext,
  isOwn: (user: UserInfo) => boolean,
): Promise<void> {
  const author = api.access.author(context);
  const user = author && api.member.keyspace.auth.user(author.user);
  if (user === undefined || !isOwn(user)) await api.access.require('root', context);
}

/** The token for who knows the password. A wrong user takes as long as a wrong password, and reads the same. */
async function authenticate(
  api: ApiServices,
  request: { readonly name: string; readonly password: string },
  context: CallContext,
) {
  const { member, passwords, tokens, runtime } = api;
  await member.readBarrier(untilLeft(context));
  for (let attempt = 1; ; attempt++) {
    const { auth } = member.keyspace;
    if (!auth.enabled) throw failure('authNotEnabled');
    const user = auth.user(request.name);
    const { enabledRevision } = auth;
    const hash = user === undefined || user.noPassword ? undefined : user.passwordHash;
    const standIn = hash === undefined ? tokens.standInFor(auth, request.name)?.passwordHash : undefined;
    const proven = await passwords.matches(request.password, hash, context, standIn);
    if (!proven || user === undefined) throw failure('authFailed');
    const login: Login = {
      user: user.name,
      credentialRevision: user.credentialRevision,
      enabledRevision,
    };
    const { outcome, revision } = await member.propose(
      { type: 'authenticate', login },
      forCaller(context, { signal: context.signal }),
    );
    if (outcome.type === 'authenticate') {
      const content = { login, issuedMs: outcome.timeMs, ttlMs: api.tokenTtlMs };
      const token = tokens.issue(member.keyspace.auth, content, (length) => runtime.random.bytes(length));
      return { header: api.headers.header(revision), token };
    }
    const reason = outcome.type === 'failed' ? outcome.failure : 'auth-revision-old';
    if (reason !== 'auth-revision-old' || attempt === mostAttempts) throw commandFailure(reason);
    // The user's password has changed, or auth was disabled and enabled, while the password was being checked.
    await member.readBarrier(untilLeft(context));
  }
}
