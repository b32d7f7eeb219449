/**
 * A member of the cluster inside an app: in a worker thread of its own, with a client that reaches it without a
 * network; `member.store()` is what elections take.
 *
 * Guarantees: a busy app does not slow the member down; what ends the member is told by `stopped` and never ends the
 * app; the member's data on disk are those of `conclave serve`, so either can take over the other's folder.
 *
 * Must not: run consensus in the app's own thread, or keep anything that the data folder does not hold.
 */

export {
  type EmbeddedClientOptions,
  EmbeddedMember,
  type EmbeddedMemberOptions,
  type EmbeddedStoreOptions,
  startEmbeddedMember,
} from './embedded-member.ts';
export { PortServer } from './port-server.ts';
