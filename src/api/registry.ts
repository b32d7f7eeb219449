import { type AnyMethod, services } from '../wire/index.ts';
import { authService, requirementOf } from './auth/index.ts';
import { CallCounts } from './call-counts.ts';
import { clusterService } from './cluster.ts';
import { conclaveService } from './conclave.ts';
import { electionService } from './election.ts';
import { hasTooManyElements, proposalPlace, txnPlace } from './elements.ts';
import { healthService } from './health.ts';
import { kvService } from './kv.ts';
import { encodeRangeResponse } from './large-ranges.ts';
import { unlessLearner } from './learner.ts';
import { leaseService } from './lease.ts';
import { lockService } from './lock.ts';
import { maintenanceService } from './maintenance.ts';
import { passing } from './ready-answers.ts';
import { reflectionService } from './reflection.ts';
import type { ApiServices } from './service.ts';
import { shapeOf } from './shape.ts';
import { failure, StatusError, statusCodes, unimplemented } from './status.ts';
import type { Answers, AnyHandler, Registry, ServedMethod } from './types.ts';
import { type CheckedLimits, checkDeleteRange, checkedTxn, checkPut } from './validate.ts';
import { watchService } from './watch.ts';
import { encodeWatchResponse } from './watch-encoding.ts';

/** Where transactions stand in requests. */
const places = new Map<AnyMethod, typeof txnPlace>([
  [services.KV.txn, txnPlace],
  [services.Conclave.propose, proposalPlace],
]);

/** Of answers that may have been encoded before. */
const encoders = new Map<AnyMethod, unknown>([
  [services.Watch.watch, encodeWatchResponse],
  [services.KV.range, encodeRangeResponse],
]);

type Handlers = Readonly<Record<string, unknown>>;

// biome-ignore lint/suspicious/noExplicitAny: each check takes the request of its own method
type Check = (request: any) => void;

/** What ends up in the log is bounded; as in etcd, what else is wrong with a request is told first. */
function proposalChecks(limits: CheckedLimits): ReadonlyMap<AnyMethod, Check> {
  const { KV, Election, Conclave } = services;
  const nothing: Check = () => {};
  return new Map<AnyMethod, Check>([
    [KV.put, checkPut],
    [KV.deleteRange, checkDeleteRange],
    [KV.txn, (request) => checkedTxn(request, limits)],
    [Election.campaign, nothing],
    [Election.proclaim, nothing],
    [Conclave.propose, nothing],
  ]);
}

/** Every method of every service, ready for a transport. What is not offered answers UNIMPLEMENTED and says so. */
export function createRegistry(api: ApiServices): Registry {
  const handlers: Record<keyof typeof services, Handlers> = {
    KV: kvService(api),
    Watch: watchService(api),
    Lease: leaseService(api),
    Cluster: clusterService(api),
    Maintenance: maintenanceService(api),
    Auth: authService(api),
    Election: electionService(api),
    Lock: lockService(api),
    Conclave: conclaveService(api),
    Health: healthService(api),
    Reflection: reflectionService,
    OlderReflection: reflectionService,
  };
  const registry = new Map<string, ServedMethod>();
  const proposals = proposalChecks(api.limits);
  for (const [service, offered] of Object.entries(handlers)) {
    const descriptors: Readonly<Record<string, AnyMethod>> = services[service as keyof typeof services];
    for (const [name, descriptor] of Object.entries(descriptors)) {
      const checked = guarded(api, descriptor, (offered[name] ?? refuse(descriptor)) as AnyHandler);
      const led = api.leaders.guard(shapeOf(descriptor), checked as ServedMethod['handler']);
      const handler = unlessLearner(api, descriptor, led as AnyHandler);
      const decode = decoder(descriptor, api.limits, proposals);
      registry.set(descriptor.path, served(descriptor, handler, decode));
    }
  }
  return registry;
}

function served(descriptor: AnyMethod, handler: unknown, decode: ServedMethod['decode']): ServedMethod {
  const method = {
    descriptor,
    calls: new CallCounts(),
    decode,
    encode: encoders.get(descriptor) ?? descriptor.encodeResponse,
    handler,
  };
  // The handlers' types were checked against the descriptors where the services were made.
  return { ...method, shape: shapeOf(descriptor) } as unknown as ServedMethod;
}

/** What the method asks of its caller comes before the handler, for all transports. With auth off it is one look. */
function guarded({ access }: ApiServices, descriptor: AnyMethod, handler: AnyHandler): AnyHandler {
  if (descriptor.responseStream) {
    const afterCheck: AnyHandler = (request, context) =>
      passing(async function* (began) {
        await access.require(requirementOf(descriptor, request), context);
        yield* began(handler(request, context) as Answers<unknown>);
      });
    return (request, context) => (access.enabled ? afterCheck(request, context) : handler(request, context));
  }
  return (request, context) =>
    access.enabled
      ? access.require(requirementOf(descriptor, request), context).then(() => handler(request, context))
      : handler(request, context);
}

function decoder(
  descriptor: AnyMethod,
  limits: CheckedLimits,
  proposals: ReadonlyMap<AnyMethod, Check>,
): (bytes: Uint8Array) => unknown {
  const check = proposals.get(descriptor);
  const transactions = places.get(descriptor);
  return (bytes) => {
    if (bytes.length > limits.receivedBytes) throw tooLargeToReceive(bytes.length, limits);
    if (transactions !== undefined && hasTooManyElements(bytes, transactions))
      throw failure('tooManyOperations');
    const request = descriptor.decodeRequest(bytes);
    if (check !== undefined && bytes.length > limits.requestBytes) {
      check(request);
      throw failure('requestTooLarge');
    }
    return request;
  };
}

/** grpc-go's own words, which etcd's clients see. */
export function tooLargeToReceive(size: number, limits: CheckedLimits): StatusError {
  const text = `grpc: received message larger than max (${size} vs. ${limits.receivedBytes})`;
  const trailers = { code: 'too-large', outcome: 'not-applied', retryable: false } as const;
  return new StatusError(statusCodes.resourceExhausted, text, trailers);
}

function refuse(descriptor: AnyMethod): () => unknown {
  const refused = (): Promise<never> =>
    Promise.reject(unimplemented(descriptor.path.slice(1).replace('/', '.')));
  if (!descriptor.responseStream) return refused;
  return async function* () {
    yield await refused();
  };
}
