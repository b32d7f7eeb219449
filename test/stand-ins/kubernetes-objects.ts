// What the stand-in for Kubernetes' API server demands of objects, and does with them.

export interface LeaseObject {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Of DeleteOptions. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export class Refusal extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }

  status(): object {
    const { code, reason, message } = this;
    return { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code };
  }
}

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelKey = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/;
const microTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

/** @throws Refusal 422, as the API server's validation does. */
export function checkLease({ metadata, spec = {} }: LeaseObject): void {
  const { name, labels = {}, annotations = {} } = metadata;
  const demand = (isSo: boolean, problem: string) => {
    if (!isSo)
      throw new Refusal(422, 'Invalid', `Lease.coordination.k8s.io "${name}" is invalid: ${problem}`);
  };
  demand(
    subdomain.test(name) && name.length <= 253,
    'metadata.name: a lowercase RFC 1123 subdomain is needed',
  );
  for (const [key, value] of Object.entries(labels)) {
    demand(labelKey.test(key) && labelValue.test(value), `metadata.labels: ${key}=${value}`);
  }
  const bytes = Object.entries(annotations).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0);
  demand(bytes <= 262_144, 'metadata.annotations: Too long: may not be more than 262144 bytes');
  for (const key of Object.keys(annotations)) demand(labelKey.test(key), `metadata.annotations: ${key}`);
  const { leaseDurationSeconds = 1, leaseTransitions = 0, holderIdentity, acquireTime, renewTime } = spec;
  const isCount = (value: unknown, least: number) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) < 2 ** 31;
  demand(isCount(leaseDurationSeconds, 1), 'spec.leaseDurationSeconds: must be greater than 0');
  demand(isCount(leaseTransitions, 0), 'spec.leaseTransitions: must be greater than or equal to 0');
  demand(
    holderIdentity === undefined || typeof holderIdentity === 'string',
    'spec.holderIdentity: a text is needed',
  );
  for (const time of [acquireTime, renewTime]) {
    demand(
      time === undefined || (typeof time === 'string' && microTime.test(time)),
      `spec: no MicroTime: ${time}`,
    );
  }
}

/** `key=value` and `key=value,key=value`. */
export function matches({ metadata }: LeaseObject, labelSelector: string): boolean {
  return labelSelector
    .split(',')
    .filter((term) => term !== '')
    .every((term) => {
      const [key = '', value] = term.split('=');
      return metadata.labels?.[key] === value;
    });
}

/** RFC 7386. */
export function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = {
    ...(typeof target === 'object' && !Array.isArray(target) ? target : {}),
  };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}
