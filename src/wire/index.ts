// The messages of etcd's v3 API and of our own service, their codecs, and a descriptor for each RPC.
// Guarantees: what is decoded from malformed bytes is a WireError, never a wrong value; a field typed
// `number` was exact on the wire. Decoders do not copy: bytes fields are views of the input, so keep them
// only while the input is yours, or copy. Encoders return bytes of their own.
// Must not: know any transport, check what a request means, or import anything of ours.
export * from './error.ts';
export * from './generated/conclave/v1/conclave.ts';
export * from './generated/etcd/authpb/auth.ts';
export * from './generated/etcd/etcdserverpb/auth.ts';
export * from './generated/etcd/etcdserverpb/cluster.ts';
export * from './generated/etcd/etcdserverpb/header.ts';
export * from './generated/etcd/etcdserverpb/kv.ts';
export * from './generated/etcd/etcdserverpb/lease.ts';
export * from './generated/etcd/etcdserverpb/maintenance.ts';
export * from './generated/etcd/etcdserverpb/watch.ts';
export * from './generated/etcd/mvccpb/kv.ts';
export * from './generated/etcd/v3electionpb/election.ts';
export * from './generated/etcd/v3lockpb/lock.ts';
export type { DeepPartial, MessageFns } from './message.ts';
export type { AnyMethod, MethodDescriptor, RequestOf, ResponseOf } from './method.ts';
export { BinaryReader } from './reader.ts';
export { services } from './services.ts';
export { BinaryWriter } from './writer.ts';
