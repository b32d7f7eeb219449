/**
 * A TypeScript client of the cluster's API: etcd's v3 services and our own extension.
 *
 * Guarantees: a call fails over between endpoints until its time is up; a mutation is applied once; a watch loses
 * and repeats nothing; every failure is a ConclaveError whose `outcome` is true for all attempts together.
 *
 * Must not: know elections, or which transport carries it; hold state that only a server may decide on.
 */

export { Attachment, type AttachmentState } from './attachment.ts';
export { bytesKey, prefixEnd, toBytes, toText } from './bytes.ts';
export { type CallOptions, waitWithin } from './calls.ts';
export { ConclaveClient, type RangeOptions } from './client.ts';
export { type ConnectOptions, checkDuration, connectClient, parseEndpoints } from './connect.ts';
export type { AttemptOptions } from './endpoints.ts';
export type { TlsOptions } from './grpc-endpoint.ts';
export { GrpcTransport, type GrpcTransportOptions } from './grpc-transport.ts';
export { Inbox } from './inbox.ts';
export type { Maintenance, MemberCallOptions } from './maintenance.ts';
export { type Port, ThreadPort } from './port.ts';
export { type PortError, type PortMessage, type PortReply, PortTransport } from './port-transport.ts';
export { errorFromStatus, type ReceivedStatus } from './status-errors.ts';
export type { Transport, TransportFactory, TransportStream, UnaryOptions } from './transport.ts';
export { Users } from './users.ts';
export type { WatchBatch, WatchCallOptions, WatchOptions } from './watches.ts';
