/**
 * A member's API: etcd's v3 services and Conclave's own, and what carries them: gRPC, and HTTP/1.1 with the JSON gateway.
 *
 * Guarantees: answers, error codes and texts are etcd's wherever etcd has them; a read is linearizable unless it asks
 * not to be; a mutation is answered after it was committed and applied; a slow watcher costs no memory; nothing
 * here rejects unhandled. Handlers are functions of a request and a context and know no transport: a registry maps
 * each method's path to its codec and handler, and any transport can serve it.
 *
 * Must not: keep state that a restart would lose (it all lives in the member), decide anything by a clock but the
 * pace of notifications, or import a store, the election loop or the CLI.
 */

export { Api, type ApiOptions, type AuthOptions } from './api.ts';
export { GrpcServer } from './grpc-server.ts';
export { holdersMoved } from './holders.ts';
export { etcdApiVersion } from './maintenance.ts';
export { type OpenedTls, openTls, type TlsFileOptions } from './opened-tls.ts';
export { refusalLog } from './refusal-log.ts';
export { type ApiServer, type ServeOptions, serveApi } from './serve.ts';
export { type ConclaveTrailers, StatusError, statusCodes, toStatus, trailerNames } from './status.ts';
export type {
  CallConnection,
  CallContext,
  DuplexHandler,
  Logger,
  Registry,
  ServedMethod,
  ServerStreamHandler,
  UnaryHandler,
} from './types.ts';
export { silentLogger } from './types.ts';
