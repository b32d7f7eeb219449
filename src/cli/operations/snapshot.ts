import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { BackupDescription } from '../../member/index.ts';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { parseDurationMs } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatTable, toJsonLine } from '../output.ts';
import { serveFlags } from '../serve/flags.ts';
import { resolveIdentity } from '../serve/options.ts';
import { collectSettings } from '../serve/settings.ts';
import { formatBytes } from '../status.ts';
import { saveSnapshot } from './save.ts';

type Finish = (exitCode: number) => void;

/** `conclave snapshot save`, `status` and `restore`. */
export function addSnapshot(program: Command, finish: Finish): void {
  const snapshot = program
    .command('snapshot')
    .description('Save all data of a running cluster, look at what was saved, start a new cluster from it.');
  addSave(snapshot, finish);
  addStatus(snapshot, finish);
  addRestore(snapshot, finish);
}

const saveHelp = `
Saves what one member has applied: of the endpoints, the one that has most. The file gets its name when it is whole and on
disk. It holds everything that the cluster knows, so keep it where nobody else can read it.

Example:
  $ conclave snapshot save /backups/$(date +%F).snapshot`;

function addSave(snapshot: Command, finish: Finish): void {
  const command = snapshot
    .command('save')
    .argument('<FILE>')
    .description('Stream all data of a running member into a file.')
    .option('--timeout <DURATION>', 'How long to wait for a member to answer.', '5s')
    .addHelpText('after', saveHelp);
  addEndpoints(command);
  command.action(async (file: string, options: { endpoints?: string; timeout: string }) => {
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    const saved = await saveSnapshot(endpointsOf(options.endpoints), resolve(file), timeoutMs);
    process.stdout.write(`Saved ${formatBytes(saved.sizeBytes)} from ${saved.endpoint} to ${file}\n`);
    finish(exitCodes.ok.code);
  });
}

function addStatus(snapshot: Command, finish: Finish): void {
  const command = snapshot
    .command('status')
    .argument('<FILE>')
    .description(
      'Check a saved file and show what it holds. Needs no server; takes memory for all of its keys.',
    )
    .option('--json', 'One JSON object.');
  command.action(async (file: string, options: { json?: boolean }) => {
    // Loaded when needed: the other commands start without the server.
    const { describeBackup } = await import('./backup.ts');
    const found = await describeBackup(resolve(file));
    process.stdout.write(options.json === true ? `${toJsonLine(jsonOf(found))}\n` : statusTable(found));
    finish(exitCodes.ok.code);
  });
}

interface Described {
  readonly description: BackupDescription;
  readonly hash: string;
  readonly revision: number;
  readonly compactRevision: number;
  readonly keys: number;
  readonly leases: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

function jsonOf({ description, ...rest }: Described) {
  const { clusterId, memberId, memberName, version, takenAtMs } = description;
  const ids = { clusterId: clusterId.toString(16), memberId: memberId.toString(16), memberName };
  return { ...rest, ...ids, version, takenAt: new Date(takenAtMs).toISOString() };
}

function statusTable(found: Described): string {
  const { clusterId, memberName, version, takenAt, ...rest } = jsonOf(found);
  const heading = [
    'HASH',
    'REVISION',
    'COMPACTED',
    'KEYS',
    'LEASES',
    'SIZE',
    'CLUSTER',
    'MEMBER',
    'VERSION',
    'TAKEN',
  ];
  const { hash, revision, compactRevision, keys, leases, sizeBytes } = rest;
  const numbers = [revision, compactRevision, keys, leases];
  return formatTable(heading, [
    [hash, ...numbers, formatBytes(sizeBytes), clusterId, memberName, version, takenAt],
  ]);
}

const restoreFlags = [
  'name',
  'data-dir',
  'initial-cluster',
  'initial-cluster-token',
  'initial-advertise-peer-urls',
] as const;

/** Where a restored member's flag means less than that of `serve`. */
const restoreMeaning: Partial<Record<(typeof restoreFlags)[number], string>> = {
  'initial-cluster':
    'NAME=PEER-URL of every member that the new cluster is to have, this one too: the same on each of them.',
};

const restoreHelp = `
Run it once for each member of the new cluster, on its machine, with the same file and the same --initial-cluster and
--initial-cluster-token; then start all of them with \`conclave serve\` and the same flags. The new cluster has an id of
its own, so the token must be one that was not used before. Revisions go on above all that the old cluster can have given
out, so no fencing token is ever given twice; leases are gone with the keys that hung on them, and watches that go on from
before end with "compacted".

Example:
  $ conclave snapshot restore monday.snapshot --name m1 --data-dir /var/lib/conclave --initial-cluster-token after-monday \\
      --initial-cluster m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://10.0.0.3:2380 \\
      --initial-advertise-peer-urls http://10.0.0.1:2380`;

function addRestore(snapshot: Command, finish: Finish): void {
  const command = snapshot
    .command('restore')
    .argument('<FILE>')
    .description('Make the data folder of one member of a new cluster. Needs no server.')
    .addHelpText('after', restoreHelp);
  for (const name of restoreFlags) {
    const flag = serveFlags.find((candidate) => candidate.name === name);
    if (flag === undefined) continue;
    command.option(
      `--${name} <${flag.argument}>`,
      `${restoreMeaning[name] ?? flag.description} Default: ${flag.defaultText === '--listen-peer-urls' ? 'http://127.0.0.1:2380' : flag.defaultText}.`,
    );
  }
  command.option('--json', 'One JSON object.');
  command.action(async (file: string) => {
    const values = command.opts<Record<string, string | boolean | undefined>>();
    const flags: Record<string, string> = {};
    for (const option of command.options) {
      const value = values[option.attributeName()];
      if (typeof value === 'string') flags[(option.long ?? '').replace(/^--/, '')] = value;
    }
    const settings = collectSettings({ flags, environment: {}, file: undefined });
    const options = resolveIdentity(settings, process.cwd());
    const { restore } = await import('./backup.ts');
    const { revision, clusterId, memberId, stateHash } = await restore(resolve(file), options);
    const hex = (id: number) => id.toString(16);
    const about = { name: options.name, dataDir: options.dataDir, revision };
    process.stdout.write(
      values.json === true
        ? `${toJsonLine({ ...about, clusterId: hex(clusterId), memberId: hex(memberId), stateHash: hex(stateHash) })}\n`
        : `Restored ${options.name} of the new cluster ${hex(clusterId)} into ${options.dataDir}, at revision ${revision} ` +
            `(state hash ${hex(stateHash)}, the same on each member).\nWhen all members are restored, start each with ` +
            'conclave serve and these same flags.\n',
    );
    finish(exitCodes.ok.code);
  });
}
