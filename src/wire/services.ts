import { ConclaveDefinition } from './generated/conclave/v1/conclave.ts';
import { AuthDefinition } from './generated/etcd/etcdserverpb/auth.ts';
import { ClusterDefinition } from './generated/etcd/etcdserverpb/cluster.ts';
import { KVDefinition } from './generated/etcd/etcdserverpb/kv.ts';
import { LeaseDefinition } from './generated/etcd/etcdserverpb/lease.ts';
import { MaintenanceDefinition } from './generated/etcd/etcdserverpb/maintenance.ts';
import { WatchDefinition } from './generated/etcd/etcdserverpb/watch.ts';
import { ElectionDefinition } from './generated/etcd/v3electionpb/election.ts';
import { LockDefinition } from './generated/etcd/v3lockpb/lock.ts';
import { HealthDefinition } from './generated/grpc/health/v1/health.ts';
import { ServerReflectionDefinition } from './generated/grpc/reflection/v1/reflection.ts';
import { ServerReflectionDefinition as OlderReflectionDefinition } from './generated/grpc/reflection/v1alpha/reflection.ts';
import { decodePutRequest, decodeRangeRequest, encodePutResponse, encodeRangeResponse } from './hot/index.ts';
import { describe, type MethodDescriptor } from './method.ts';

const described = describe(KVDefinition);

/** Every RPC that is spoken, by service and method: `services.KV.range`. */
export const services = {
  KV: {
    ...described,
    put: hot(described.put, decodePutRequest, encodePutResponse),
    range: hot(described.range, decodeRangeRequest, encodeRangeResponse),
  },
  Watch: describe(WatchDefinition),
  Lease: describe(LeaseDefinition),
  Cluster: describe(ClusterDefinition),
  Maintenance: describe(MaintenanceDefinition),
  Auth: describe(AuthDefinition),
  Election: describe(ElectionDefinition),
  Lock: describe(LockDefinition),
  Conclave: describe(ConclaveDefinition),
  Health: describe(HealthDefinition),
  Reflection: describe(ServerReflectionDefinition),
  OlderReflection: describe(OlderReflectionDefinition),
} as const;

/** The same method, whose server side first tries codecs that are for the usual forms only. */
function hot<Req, Res>(
  method: MethodDescriptor<Req, Res, false, false>,
  decode: (bytes: Uint8Array) => Req | undefined,
  encode: (message: Res) => Uint8Array | undefined,
): MethodDescriptor<Req, Res, false, false> {
  return {
    ...method,
    decodeRequest: (bytes) => decode(bytes) ?? method.decodeRequest(bytes),
    encodeResponse: (message) => encode(message) ?? method.encodeResponse(message),
  };
}
