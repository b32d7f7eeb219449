import type { Command } from 'commander';
import type { ConclaveClient } from '../client/index.ts';
import { ConclaveError } from '../errors/index.ts';
import { addEndpoints, endpointsOf } from './client-options.ts';
import { parseDurationMs } from './durations.ts';
import { exitCodes } from './exit-codes.ts';
import { sentenceOf } from './failure.ts';
import { calledOf, findMembers, type Target, whyNoEndpoint } from './members.ts';
import { formatTable, toJsonLine } from './output.ts';
import { openClient } from './wiring.ts';

/** One member as `conclave status` tells it; `error` where it did not answer. */
export interface MemberReport {
  /** In hexadecimal; absent where no member could say. */
  readonly id?: string;
  readonly endpoint: string;
  readonly name: string;
  readonly state?: {
    /** In hexadecimal, as logs and etcd's tools show it. */
    readonly memberId: string;
    readonly role: string;
    readonly term: number;
    readonly commitIndex: number;
    readonly appliedIndex: number;
    readonly revision: number;
    readonly sizeBytes: number;
    readonly leases: number;
    readonly watchers: number;
    readonly version: string;
  };
  readonly error?: string;
  /** It answered, and did not tell this user. */
  readonly refused?: true;
}

const examples = `
Lists all members of the cluster that the endpoints belong to, or, where no member can say who they are, the
endpoints.

Examples:
  $ conclave status
  $ conclave status --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379 --json`;

export function addStatus(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('status')
    .description('Show the members with role, term, commit and applied index, size and leases.')
    .option('--json', 'One JSON object for each member.')
    .option('--timeout <DURATION>', 'How long to wait for each answer.', '2s')
    .addHelpText('after', examples);
  addEndpoints(command);
  command.action(async (options: { endpoints?: string; json?: boolean; timeout: string }) => {
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    const reports = await readMembers(endpointsOf(options.endpoints), timeoutMs);
    process.stdout.write(
      options.json ? reports.map((report) => `${toJsonLine(report)}\n`).join('') : table(reports),
    );
    const reached = reports.some((report) => report.state !== undefined);
    const refused = reports.some((report) => report.refused);
    finish((reached ? exitCodes.ok : refused ? exitCodes.failed : exitCodes.unreachable).code);
  });
}

async function readMembers(endpoints: readonly string[], timeoutMs: number): Promise<MemberReport[]> {
  const targets = await findMembers(endpoints, timeoutMs);
  return await Promise.all(targets.map((target) => readMember(target, timeoutMs)));
}

async function readMember(target: Target, timeoutMs: number): Promise<MemberReport> {
  const { id, name, endpoint } = target;
  const known = { ...(id !== '' && { id }), endpoint, name };
  if (endpoint === '') return { ...known, error: `${whyNoEndpoint(target)}.` };
  await using client: ConclaveClient = openClient([endpoint]);
  try {
    const options = { endpoint, timeoutMs };
    const [state, status] = await Promise.all([client.memberState(options), client.status(options)]);
    const { memberId, role, term, commitIndex, appliedIndex, revision, leases, watchers, version } = state;
    const sizeBytes = status.dbSize;
    return {
      ...known,
      name: state.name,
      state: {
        memberId: memberId.toString(16),
        role,
        term,
        commitIndex,
        appliedIndex,
        revision,
        sizeBytes,
        leases,
        watchers,
        version,
      },
    };
  } catch (error) {
    const cause = (error as Error).cause ?? error;
    const refused = ConclaveError.is(cause) && /^(permission-denied|unauthenticated)$/.test(cause.code);
    return { ...known, error: sentenceOf(cause), ...(refused && { refused }) };
  }
}

export function table(reports: readonly MemberReport[]): string {
  const heading = [
    'MEMBER',
    'ENDPOINT',
    'ROLE',
    'TERM',
    'COMMIT',
    'APPLIED',
    'REVISION',
    'SIZE',
    'LEASES',
    'VERSION',
  ];
  const rows = reports.map(({ id = '', name, endpoint, state, refused }) => [
    [name, id].find((text) => text !== '') ?? '-',
    endpoint === '' ? '-' : endpoint,
    state?.role ?? (refused ? 'refused' : 'unreachable'),
    state?.term ?? '-',
    state?.commitIndex ?? '-',
    state?.appliedIndex ?? '-',
    state?.revision ?? '-',
    state === undefined ? '-' : formatBytes(state.sizeBytes),
    state?.leases ?? '-',
    state?.version ?? '-',
  ]);
  const errors = reports.flatMap(({ id = '', name, endpoint, error }) =>
    error === undefined ? [] : [`${calledOf({ id, name, endpoint })}: ${error}\n`],
  );
  return formatTable(heading, rows) + errors.join('');
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let power = 0;
  while (bytes >= 1024 ** (power + 1) && power < units.length - 1) power++;
  const amount = bytes / 1024 ** power;
  return `${power === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[power]}`;
}
