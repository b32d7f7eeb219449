import { encodeSubmittedCommand } from '../../keyspace/index.ts';
import { Group } from '../../member/group.ts';
import { type MemberOptions, setUp } from '../../member/options.ts';
import { PeerTransport } from '../../member/peers/transport.ts';
import { openStorage } from '../../member/storage.ts';
import type { RunningMember } from './seat.ts';

const groupId = 1;

/**
 * What takes part in elections of a member, put together as `Member` does it: log on disk, connections to peers, and
 * the group that drives the core. For timeouts that `Member` refuses because they are too short.
 */
export async function startShortTimeoutMember(
  options: MemberOptions & { readonly electionTimeoutMs: number },
): Promise<RunningMember> {
  const { electionTimeoutMs, ...others } = options;
  const setup = { ...setUp(others), electionTimeoutMs };
  const storage = await openStorage(setup, groupId);
  const group = new Group({
    ...{ ...storage, setup, group: groupId, transport: () => transport, onProgress() {}, onState() {} },
    // Nobody joins or leaves here.
    membership: () => ({ applied() {}, configured() {}, noteApplied() {} }),
    fail: (error) => {
      throw error;
    },
  });
  const transport: PeerTransport = new PeerTransport({
    ...{ runtime: setup.runtime, logger: setup.logger, clusterId: setup.clusterId, memberId: setup.memberId },
    listen: setup.listen,
    peers: setup.members.filter(({ memberId }) => memberId !== setup.memberId),
    announcement: new Uint8Array(),
    admit: () => undefined,
    greeting: () => ({ fresh: false, configurationIndex: 0, peerUrls: [] }),
    onRefusal() {},
    addressesOf: () => [],
    toldCluster: () => new Uint8Array(),
    onFrame: (peer, frame) => group.receive(peer, frame),
    onLink: (peer, state) => group.linkChanged(peer, state),
  });
  await group.recover();
  await transport.start();
  group.start();
  await storage.folder.markStarted();
  const encoded = encodeSubmittedCommand({ command: { type: 'tick' }, identity: undefined });
  return {
    propose: () => {
      group.local.submit(encoded, () => {});
      group.askForTurn();
    },
    connected: () =>
      setup.members.every(({ memberId }) => memberId === setup.memberId || transport.connected(memberId)),
  };
}
