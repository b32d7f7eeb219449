import { ConclaveError } from '../../errors/index.ts';
import type { Address } from '../../runtime/index.ts';
import { pause } from '../../runtime/pause.ts';
import { readIdentity } from '../folder.ts';
import { hexId, type MemberSetup, parseUrl } from '../options.ts';
import { askForMembers, type ToldCluster } from '../peers/ask-members.ts';
import { removedText } from './membership.ts';
import type { KnownMember } from './records.ts';

/** The members may be starting at this moment, too. */
const askWithinMs = 10_000;
const askAgainAfterMs = 200;

/**
 * Who this member is. Its data folder says so, whatever the flags say; without one it is a member of the cluster that the
 * flags describe, or, told that the cluster exists, the one that the cluster expects under its peer URLs.
 *
 * @throws ConclaveError 'removed', 'data-incompatible', 'data-damaged', 'unavailable', 'failed-precondition', 'aborted'
 */
export async function identified(setup: MemberSetup): Promise<MemberSetup> {
  const { disk } = setup.runtime;
  const found = await readIdentity(disk, setup.dataDir);
  if (found === undefined || found.vacant === true) return setup.joins ? joined(setup) : setup;
  if (found.removed === true) {
    const details = { path: setup.dataDir, memberId: found.memberId };
    throw new ConclaveError('removed', removedText(found.memberId), { details });
  }
  // Of a folder that does not say it, the flags must: who differs is refused when it is opened.
  if (found.members === undefined || found.name !== setup.name) return { ...setup, joins: false };
  const { clusterId, memberId, members, joined: joins = false } = found;
  // The flags may be as old as the folder. If they name the same members and make another cluster, they mean another.
  if (!joins && nameAndUrls(members) === nameAndUrls(setup.members)) return { ...setup, joins };
  return { ...setup, clusterId, memberId, members: withAddresses(members), joins };
}

async function joined(setup: MemberSetup): Promise<MemberSetup> {
  const own = setup.members.find(({ memberId }) => memberId === setup.memberId);
  const urls = own?.peerUrls ?? [];
  const others = setup.members.filter((member) => member !== own).flatMap(({ addresses }) => addresses);
  const { cluster, expected } = await askUntilExpected(setup, others, urls);
  if (expected.hasData && !setup.returnsWithoutData) {
    throw new ConclaveError(
      'removed',
      `Member ${hexId(expected.memberId)} with the peer URLs ${urls.join(',')} has run before, and ${setup.dataDir} does not hold its ` +
        'data. Put its data folder back; or remove the member and add it anew (conclave member replace).',
      { details: { memberId: expected.memberId } },
    );
  }
  const { clusterId, members } = cluster;
  return { ...setup, clusterId, memberId: expected.memberId, members: withAddresses(members) };
}

interface Expectation {
  readonly cluster: ToldCluster;
  readonly expected: ToldCluster['members'][number];
}

/**
 * The first that expects us: not everybody may have heard that we were added. The leader alone may have, which cannot go
 * on before we vote. When all have answered, and none expects us, nobody does.
 */
async function askUntilExpected(
  setup: MemberSetup,
  addresses: readonly Address[],
  urls: readonly string[],
): Promise<Expectation> {
  const { runtime, name, signal } = setup;
  const untilMs = runtime.clock.monotonicMs() + askWithinMs;
  let reason =
    'none but this one is given in --initial-cluster. Name those that run, as conclave member add printed them';
  let told: ToldCluster | undefined;
  do {
    let answers = 0;
    for (const address of addresses) {
      try {
        const cluster = await askForMembers(runtime, address, signal);
        const expected = cluster.members.find(({ peerUrls }) => areSame(peerUrls, urls));
        if (expected !== undefined) return { cluster, expected };
        told = cluster;
        answers += 1;
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
      if (signal?.aborted) throw ConclaveError.aborted('Joining the cluster', signal);
    }
    if (told !== undefined && answers === addresses.length) break;
    await pause(runtime.timers, askAgainAfterMs, signal);
    if (signal?.aborted) throw ConclaveError.aborted('Joining the cluster', signal);
  } while (addresses.length > 0 && runtime.clock.monotonicMs() < untilMs);
  if (told !== undefined) {
    throw new ConclaveError(
      'failed-precondition',
      `The cluster ${hexId(told.clusterId)} expects no member with the peer URLs ${urls.join(',')}. Add it first: conclave member add ` +
        `${name} --peer-urls ${urls.join(',')}.`,
    );
  }
  throw new ConclaveError(
    'unavailable',
    `No member of the existing cluster could be asked who its members are: ${reason.replace(/\.$/, '')}.`,
    { retryable: true },
  );
}

function withAddresses(members: readonly KnownMember[]): MemberSetup['members'] {
  return members.map(({ memberId, name, peerUrls }) => ({
    ...{ memberId, name, peerUrls },
    addresses: peerUrls.map((url) => parseUrl(url, 'The peer URL')),
  }));
}

function nameAndUrls(members: readonly KnownMember[]): string {
  return members
    .map(({ name, peerUrls }) => `${name}=${peerUrls.toSorted().join()}`)
    .toSorted()
    .join(' ');
}

function areSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length > 0 && one.toSorted().join() === other.toSorted().join();
}

/**
 * What to tell of flags that name other members than there are; undefined: nothing. Flags are as old as the unit file that
 * holds them, so those that were right at the first start are right.
 */
export function strayFlags(
  given: readonly KnownMember[],
  first: readonly KnownMember[],
  now: readonly Pick<KnownMember, 'peerUrls'>[],
): { readonly given: string; readonly members: string } | undefined {
  const wanted = urlsOf(given);
  if (wanted === urlsOf(first) || wanted === urlsOf(now)) return undefined;
  return { given: wanted, members: urlsOf(now) };
}

function urlsOf(members: readonly Pick<KnownMember, 'peerUrls'>[]): string {
  return members
    .flatMap(({ peerUrls }) => peerUrls)
    .toSorted()
    .join();
}
