import type { PlantedBug } from '../bug.ts';

/** Lives in which members ask who calls, while users and roles change. */
const life: PlantedBug['life'] = { faults: 'all', users: true, clients: 6, candidates: 0, seconds: 20 };

/** Bugs in who may do what, and in how members know who calls. */
export const userBugs: readonly PlantedBug[] = [
  {
    id: 'permission-at-the-door-only',
    title: 'Whether a command is permitted is looked at when it is taken, and not when it is applied',
    seen: 'etcd-io/etcd#7508: the check belongs into the state machine',
    edits: [
      {
        file: 'src/keyspace/keyspace.ts',
        find: '      const refused = this.checkCommand(command, submitted.author);\n      const outcome =',
        replace: '      const refused: AuthFailure | undefined = undefined;\n      const outcome =',
      },
      {
        file: 'src/keyspace/keyspace.ts',
        find: '    const refused = this.checkCommand(command, submitted.author);\n    if (refused',
        replace: '    const refused: AuthFailure | undefined = undefined;\n    if (refused',
      },
    ],
    life,
    checkers: ['log-witness', 'permissions-kept'],
  },
  {
    id: 'revoked-role-stays-in-the-cache',
    title: 'What a user may do is worked out once, and kept when a role is taken from it',
    seen: 'etcd-io/etcd#13883: a cache of permissions that is not cleared',
    edits: [
      {
        file: 'src/keyspace/auth/auth-state.ts',
        find: '    this.revision++;\n    this.grants.clear();',
        replace: '    this.revision++;',
      },
    ],
    life,
    checkers: ['log-witness', 'permissions-kept'],
  },
  {
    id: 'snapshot-without-users',
    title: 'A snapshot has no users and roles in it',
    seen: 'nowhere yet: what a snapshot forgets',
    edits: [
      {
        file: 'src/keyspace/snapshot-writer.ts',
        find: 'else if (number === section.auth) readAuthState(reader, this.state.auth);',
        replace: 'else if (number === section.auth) readAuthState(reader, new State().auth);',
      },
    ],
    life,
    checkers: ['permissions-kept', 'log-witness', '05-same-state-at-same-index', 'tokens-last'],
  },
  {
    id: 'token-of-one-process',
    title: 'A token is taken only by the process of a member that gave it',
    seen: 'etcd: simple tokens, which are kept in memory',
    edits: [
      {
        file: 'src/api/auth/tokens.ts',
        find: 'const idBytes = 12;\n',
        replace: 'const idBytes = 12;\nlet made = 0;\n',
      },
      {
        file: 'src/api/auth/tokens.ts',
        find: '  readonly #clusterId: number;\n',
        replace: '  readonly #clusterId: number;\n  readonly #number = made++;\n',
      },
      {
        file: 'src/api/auth/tokens.ts',
        find: "return createHmac('sha256', auth.tokenKey).update(",
        replace: "return createHmac('sha256', auth.tokenKey).update(String(this.#number)).update(",
      },
    ],
    life,
    checkers: ['tokens-last'],
  },
  {
    id: 'refused-by-one-that-lags',
    title: 'A member refuses by what it knows of users and roles, without a look whether that is still so',
    seen: 'nowhere yet: a grant that the next member has not heard of',
    edits: [
      {
        file: 'src/api/auth/access.ts',
        find: '    if (look() === undefined) return then();\n    await this.#member.readBarrier(untilLeft(context));\n',
        replace: '    if (look() === undefined) return then();\n',
      },
    ],
    life: { ...life, faults: 'network' },
    checkers: ['permissions-kept', 'tokens-last'],
  },
  {
    id: 'two-permissions-cover-nothing-together',
    title: 'A range is permitted only where one permission covers all of it',
    seen: 'nowhere yet: etcd merges the ranges of all roles',
    edits: [
      {
        file: 'src/keyspace/auth/intervals.ts',
        find: '    } else if (!reaches(last.end, interval.end)) {\n      merged[merged.length - 1] = { start: last.start, end: interval.end };',
        replace: '    } else if (!reaches(last.end, interval.end)) {\n      merged.push(interval);',
      },
    ],
    life,
    checkers: ['permissions-kept', 'log-witness'],
  },
];
