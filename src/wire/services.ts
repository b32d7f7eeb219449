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
import { describe } from './method.ts';

/** Every RPC that is spoken, by service and method: `services.KV.range`. */
export const services = {
  KV: describe(KVDefinition),
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
