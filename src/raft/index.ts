/**
 * The Raft consensus core: one member's part in one group. It guarantees what §5 of the paper proves (one leader for a
 * term, committed entries for ever, the same entries everywhere), if its driver keeps to the duties below. It does no
 * I/O and reads no clock; it must not import anything from outside this folder, nor wait for anything.
 *
 * A driver's duties:
 * 1. At start: read what is durable and `new Raft(options, stored, nowMs)`. Seed `random` differently at each start.
 *    Drain once, and call for time as in 6.
 * 2. Feed events with `step(event, nowMs)`, as many as there are, then `drain()` once, and handle all its effects before
 *    the next drain's; while `hasEffects` is false a drain may be left out. Step from one place only; nothing here may be called from within its own effects.
 * 3. Send `messages` at once, in order, before waiting for the disk. Messages may be lost, repeated or reordered, but
 *    not forged.
 * 4. Write `persist` in this order: the snapshot, the entries (they replace all from the first one's index on), the hard
 *    state. When it and all earlier requests are on disk, send `messagesAfterPersist`, then
 *    `step({type: 'persisted', persistId})`. Requests complete in order; several may be out, and one sync may serve
 *    them all, with one `persisted` for the last. If a write or a sync fails, stop: nothing may be retried.
 * 5. Apply `committed` in order, after the state machine has taken a `persist.snapshot` that came before it, and report
 *    `applied`. Serve a read of `readsReady` once its index is applied; retry one of `readsFailed` when a leader is known.
 * 6. When `nextDeadlineMs()` has come, `step({type: 'tick'})`. It changes with every step. After a pause of the process,
 *    first `stalled`, then everything that waits in the sockets, then the tick.
 * 7. Tell of connections: `peer-connected` when messages can flow to the peer again, `peer-disconnected` when a
 *    connection, either way, broke; for a broken incoming one after its last message was stepped.
 * 8. For `sendSnapshots`, stream the latest snapshot, tagged with session and term, and report `snapshot-sent` in any
 *    case. The receiver steps `snapshot-received` when all of it is there and verified; no `persist.snapshot` in the
 *    next effects means that it was not needed. After an own snapshot is durable, step `compacted`.
 * 9. Who is in the group changes by `change-membership`, on the leader, made from `status().configuration` and naming its
 *    index; ask again where `changes` refuses it for a while. `configuration` tells each one that comes in force, to be
 *    followed at once: connect to its members, and keep taking messages of members that it does not name (they may know
 *    more), but not of those whose removal is *applied*. A committed entry of kind 'configuration' is the change applied:
 *    a member that is not in it stops. One that joins starts with no voters at all, on an empty disk, under an id that
 *    no member ever had. Snapshots carry `configurationAt` their index.
 * 10. An `InvariantViolation` means that a rule above was broken, or a disk: stop the member.
 */
export {
  configurationOf,
  decodeConfiguration,
  encodeConfiguration,
  faultOf,
  isJoint,
  membersOf,
} from './configuration.ts';
export { isVoter, majorityOf } from './quorum.ts';
export { Raft } from './raft.ts';
export { seededRandom } from './random.ts';
export * from './types.ts';
