import { type AnyMethod, type RangeRequest, services } from '../wire/index.ts';
import type { ApiServices } from './service.ts';
import { failure } from './status.ts';
import type { AnyHandler } from './types.ts';

/** Reads that may be old are among them, too; see below. */
const served: ReadonlySet<AnyMethod> = new Set<AnyMethod>([
  services.Maintenance.status,
  services.Maintenance.snapshot,
  services.Conclave.memberState,
  ...Object.values(services.Health),
  ...Object.values(services.Reflection),
  ...Object.values(services.OlderReflection),
]);

/** A learner may lag behind by any amount: it serves what etcd's learners serve, and refuses the rest in their words. */
export function unlessLearner(api: ApiServices, descriptor: AnyMethod, handler: AnyHandler): AnyHandler {
  if (served.has(descriptor)) return handler;
  const { member } = api;
  const isRange = descriptor === services.KV.range;
  const refuses = (request: unknown): boolean =>
    member.isLearner && !(isRange && (request as RangeRequest).serializable);
  if (descriptor.responseStream) {
    const refusal: AnyHandler = async function* () {
      yield await Promise.reject(failure('notForLearner'));
    };
    return (request, context) => (refuses(request) ? refusal : handler)(request, context);
  }
  return (request, context) =>
    refuses(request) ? Promise.reject(failure('notForLearner')) : handler(request, context);
}
