// The messages of etcd's v3 API and of our own service, their codecs, and a descriptor for each RPC.
// Protobuf itself is @bufbuild/protobuf's reader and writer under ts-proto's generated code.
// Guarantees: a descriptor of `services` fails with WireError and nothing else, nesting deeper than 100 messages
// included, and a field typed `number` was exact on the wire. Its decoders do not copy: bytes fields are views of
// the input, so keep them only while the input is yours, or copy. Encoders return bytes of their own.
// Not guaranteed: that each malformed input is refused. The generated code takes a nested message that reaches
// beyond its length, or ends early, for what it finds. A message's own encode and decode (`PutRequest.decode`)
// are that code alone: they throw plain Errors, and take invalid UTF-8.
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
export { files } from './generated/files.ts';
export * from './generated/grpc/health/v1/health.ts';
export {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from './generated/grpc/reflection/v1/reflection.ts';
export { schema } from './generated/schema.ts';
export { jsonToWire } from './json-request.ts';
export { wireToJson, wireToJsonParts } from './json-response.ts';
export type { DeepPartial, MessageFns } from './message.ts';
export type { AnyMethod, MethodDescriptor, RequestOf, ResponseOf } from './method.ts';
export type { CompiledFile, FieldKind, FieldRow, Schema } from './schema-types.ts';
export { services } from './services.ts';
