import type { Command } from 'commander';
import type { ConclaveClient } from '../../client/index.ts';
import type { Member } from '../../wire/index.ts';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { parseDurationMs } from '../durations.ts';
import { CommandFailure } from '../failure.ts';
import { formatTable, toJsonLine } from '../output.ts';
import { parseEndpoints } from '../urls.ts';
import { openClient } from '../wiring.ts';

const help = `
A member is named by its id, as the list shows it, or by its name.

A new member counts as soon as it is added as a voter, whether it runs or not: add it as a learner first, start it, and
promote it when it has caught up. It joins with an empty data folder and the settings that \`add\` prints.

Examples:
  $ conclave member list
  $ conclave member add m4 --peer-urls http://10.0.0.4:2380 --learner
  $ conclave member promote m4
  $ conclave member remove m1
  $ conclave member replace m2            # its disk is lost: a new one, with the same name and addresses
  $ conclave member update m3 --peer-urls http://10.0.0.33:2380`;

interface Options {
  readonly endpoints?: string;
  readonly timeout: string;
  readonly json?: boolean;
  readonly peerUrls?: string;
  readonly learner?: boolean;
}

export function addMember(program: Command): void {
  const member = program
    .command('member')
    .description('Show, add, promote, update, replace and remove the members of a cluster.')
    .addHelpText('after', help);

  const add = (name: string, description: string): Command => {
    const command = member
      .command(name)
      .description(description)
      .option('--json', 'One line of JSON.')
      .option('--timeout <DURATION>', 'How long to wait for the cluster.', '10s');
    addEndpoints(command);
    return command;
  };

  add('list', 'All members: id, whether it has started, name, addresses, part.').action((options: Options) =>
    withClient(options, (client, timeoutMs) => list(client, timeoutMs, options)),
  );
  add('add <NAME>', 'Let one more member join; prints what it is to be started with.')
    .requiredOption('--peer-urls <URLS>', 'Where the others will reach it.')
    .option('--learner', 'It gets everything and does not vote until it is promoted.')
    .action((name: string, options: Options) =>
      withClient(options, (client, timeoutMs) =>
        addOne(client, { name, peerUrls: peerUrlsOf(options), timeoutMs, options }),
      ),
    );
  add('promote <MEMBER>', 'Make a learner that has caught up a voter.').action(
    (text: string, options: Options) =>
      withClient(options, async (client, timeoutMs) => {
        const found = await find(client, text, timeoutMs);
        await client.membership.promote(found.ID, { timeoutMs });
        report(options, { promoted: hexOf(found) }, `Member ${describe(found)} is a voter now.`);
      }),
  );
  add('remove <MEMBER>', 'Remove a member for good; it stops by itself.').action(
    (text: string, options: Options) =>
      withClient(options, async (client, timeoutMs) => {
        const found = await find(client, text, timeoutMs);
        await client.membership.remove(found.ID, { timeoutMs });
        report(options, { removed: hexOf(found) }, `Member ${describe(found)} was removed.`);
      }),
  );
  add('update <MEMBER>', 'Tell the others where they reach a member from now on.')
    .requiredOption('--peer-urls <URLS>', 'Where the others will reach it.')
    .action((text: string, options: Options) =>
      withClient(options, async (client, timeoutMs) => {
        const found = await find(client, text, timeoutMs);
        await client.membership.update(found.ID, peerUrlsOf(options), { timeoutMs });
        report(options, { updated: hexOf(found) }, `Member ${describe(found)} was updated.`);
      }),
    );
  add('replace <MEMBER>', 'Remove a member that is lost, and let a new one join in its place.')
    .option('--peer-urls <URLS>', 'Where the others will reach the new one. Default: as the old one.')
    .action((text: string, options: Options) =>
      withClient(options, async (client, timeoutMs) => {
        const found = await find(client, text, timeoutMs);
        const peerUrls = options.peerUrls === undefined ? found.peerURLs : peerUrlsOf(options);
        await client.membership.remove(found.ID, { timeoutMs });
        if (options.json !== true) process.stdout.write(`Member ${describe(found)} was removed.\n`);
        const name = found.name === '' ? 'default' : found.name;
        await addOne(client, {
          name,
          peerUrls,
          timeoutMs,
          options: { ...options, learner: found.isLearner },
        });
        process.stderr.write(
          'conclave: start it with these and an empty data folder: move the old one away first.\n',
        );
      }),
    );
}

async function withClient(
  options: Options,
  work: (client: ConclaveClient, timeoutMs: number) => Promise<void>,
): Promise<void> {
  const timeoutMs = parseDurationMs(options.timeout, '--timeout');
  await using client = openClient(endpointsOf(options.endpoints));
  await work(client, timeoutMs);
}

function peerUrlsOf({ peerUrls = '' }: Options): string[] {
  return parseEndpoints(peerUrls, '--peer-urls').map(({ url }) => url);
}

async function list(client: ConclaveClient, timeoutMs: number, options: Options): Promise<void> {
  const members = await client.memberList({ timeoutMs });
  if (options.json === true) {
    process.stdout.write(`${toJsonLine(members.map((one) => ({ ...one, ID: hexOf(one) })))}\n`);
    return;
  }
  const heading = ['ID', 'STATUS', 'NAME', 'PEER ADDRESSES', 'CLIENT ADDRESSES', 'PART'];
  const rows = members.map((one) => [
    hexOf(one),
    one.name === '' ? 'unstarted' : 'started',
    one.name === '' ? '-' : one.name,
    one.peerURLs.join(','),
    one.clientURLs.length === 0 ? '-' : one.clientURLs.join(','),
    one.isLearner ? 'learner' : 'voter',
  ]);
  process.stdout.write(formatTable(heading, rows));
}

interface Addition {
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly timeoutMs: number;
  readonly options: Options;
}

/** As etcdctl: the settings are those of the new process. */
async function addOne(
  client: ConclaveClient,
  { name, peerUrls, timeoutMs, options }: Addition,
): Promise<void> {
  const learner = options.learner === true;
  const { header, member, members } = await client.membership.add(peerUrls, { learner, timeoutMs });
  const memberId = (member?.ID ?? 0n).toString(16);
  const clusterId = (header?.clusterId ?? 0n).toString(16);
  const cluster = members.flatMap((one) => {
    const called = one.ID === member?.ID ? name : one.name;
    return called === '' ? [] : one.peerURLs.map((url) => `${called}=${url}`);
  });
  const settings = {
    CONCLAVE_NAME: name,
    CONCLAVE_INITIAL_CLUSTER: cluster.join(','),
    CONCLAVE_INITIAL_ADVERTISE_PEER_URLS: peerUrls.join(','),
    CONCLAVE_INITIAL_CLUSTER_STATE: 'existing',
  };
  const lines = Object.entries(settings).map(([variable, value]) => `${variable}="${value}"\n`);
  const what = learner ? 'added as a learner to cluster' : 'added to cluster';
  report(
    options,
    { added: memberId, clusterId, settings },
    `Member ${memberId} ${what} ${clusterId}\n\n${lines.join('')}`.trimEnd(),
  );
}

function report(options: Options, json: object, text: string): void {
  process.stdout.write(options.json === true ? `${toJsonLine(json)}\n` : `${text}\n`);
}

/** By id or by name. */
export async function find(client: ConclaveClient, text: string, timeoutMs: number): Promise<Member> {
  const members = await client.memberList({ timeoutMs, serializable: true });
  const found = members.filter((one) => hexOf(one) === text.toLowerCase() || one.name === text);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const known = members.map(describe).join(', ');
  const why = found.length > 1 ? 'is the name of several members: give an id' : 'is no member';
  throw new CommandFailure('usage', `'${text}' ${why}. The members are ${known}.`);
}

function hexOf({ ID }: Member): string {
  return ID.toString(16);
}

export function describe(one: Member): string {
  return one.name === ''
    ? `${hexOf(one)} (not started yet, so without a name)`
    : `${one.name} (${hexOf(one)})`;
}
