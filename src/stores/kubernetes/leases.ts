/** Documents as Lease objects: names that Kubernetes takes, and the fields that `kubectl get lease` shows. */
import { createHash } from 'node:crypto';
import { ConclaveError } from '../../errors/index.ts';
import type { DocumentKey, StoredDocument } from '../documents/index.ts';
import type { Lease } from './requests.ts';

const documentAnnotation = 'conclave/document';
const nameAnnotation = 'conclave/name';
const kindLabel = 'conclave/kind';
const storeLabel = 'conclave/store';
const longestName = 200;
const mostTransitions = 2 ** 31 - 1;

/** A DNS subdomain of `prefix`. Names that are none get a hash, and so do those that look like one with a hash. */
export function leaseName(prefix: string, { kind, name }: DocumentKey): string {
  if (kind === 'counter') return `${prefix}.counter`;
  const isPlain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name);
  if (isPlain && name.length <= longestName && !/-x[0-9a-f]{40}$/.test(name))
    return `${prefix}.${kind}.${name}`;
  const readable = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-|-$/g, '');
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 40);
  return `${prefix}.${kind}.${readable === '' ? 'e' : readable}-x${hash}`;
}

export function selector(prefix: string, kind?: DocumentKey['kind']): string {
  return `${storeLabel}=${prefix}${kind === undefined ? '' : `,${kindLabel}=${kind}`}`;
}

/** Whose document it is; undefined: not one of ours. */
export function keyIn({ metadata }: Lease): DocumentKey | undefined {
  const kind = metadata?.labels?.[kindLabel];
  const name = metadata?.annotations?.[nameAnnotation];
  if (name === undefined || (kind !== 'election' && kind !== 'session' && kind !== 'counter'))
    return undefined;
  return { kind, name };
}

/**
 * A version carries what the next write needs to know: `resourceVersion/uid/token/leaseTransitions/acquireTime`.
 * @throws 'data-incompatible' for a Lease that something else made.
 */
export function documentIn(lease: Lease, key: DocumentKey, description: string): StoredDocument {
  const { uid, resourceVersion, annotations, name } = lease.metadata ?? {};
  const text = annotations?.[documentAnnotation];
  if (text === undefined || keyIn(lease)?.name !== key.name) {
    const message = `The Lease ${name} of ${description} was not written by Conclave, and is left as it is: use another prefix or namespace.`;
    throw new ConclaveError('data-incompatible', message);
  }
  const { acquireTime = '', leaseTransitions = 0 } = lease.spec ?? {};
  const version = [resourceVersion, uid, leaderIn(text)?.token ?? '', leaseTransitions, acquireTime].join(
    '/',
  );
  return { text, version };
}

export function identityOf(version: string): { readonly uid: string; readonly resourceVersion: string } {
  const [resourceVersion = '', uid = ''] = version.split('/');
  return { uid, resourceVersion };
}

/** What a write makes of the Lease. `replaces`: the version that it replaces. */
export function leaseOf(
  prefix: string,
  key: DocumentKey,
  text: string,
  replaces: string | undefined,
  ttlMs: number | undefined,
  wallMs: number,
): object {
  const metadata = {
    name: leaseName(prefix, key),
    ...(replaces !== undefined && identityOf(replaces)),
    labels: {
      'app.kubernetes.io/managed-by': 'conclave',
      ...{ [storeLabel]: prefix, [kindLabel]: key.kind },
    },
    annotations: { [nameAnnotation]: key.name, [documentAnnotation]: text },
  };
  const [, , tokenBefore, transitionsBefore = '0', acquiredBefore = ''] = replaces?.split('/') ?? [];
  const now = microTime(wallMs);
  const leader = key.kind === 'election' ? leaderIn(text) : undefined;
  const isSame = leader !== undefined && String(leader.token) === tokenBefore;
  const transitions = Number(transitionsBefore) + (leader === undefined || isSame ? 0 : 1);
  // Without leaseDurationSeconds: an election's Lease is not renewed, its leader's session is, and nobody may judge
  // by renewTime here.
  const election = {
    holderIdentity: leader?.holder ?? null,
    acquireTime: leader === undefined ? null : isSame ? acquiredBefore : now,
    renewTime: now,
    leaseTransitions: Math.min(transitions, mostTransitions),
  };
  const session = {
    holderIdentity: holderIn(text) ?? null,
    acquireTime: acquiredBefore === '' ? now : acquiredBefore,
    renewTime: now,
    leaseDurationSeconds: Math.max(1, Math.ceil((ttlMs ?? 0) / 1000)),
  };
  const spec = key.kind === 'election' ? election : key.kind === 'session' ? session : {};
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
}

function leaderIn(text: string): { readonly holder?: string; readonly token?: number } | undefined {
  return (JSON.parse(text) as { leader?: { holder?: string; token?: number } }).leader;
}

function holderIn(text: string): string | undefined {
  return (JSON.parse(text) as { holder?: string }).holder;
}

/** RFC 3339 with microseconds, in UTC. Of this machine's wall clock: it is shown to people, and nothing goes by it. */
export function microTime(wallMs: number): string {
  const days = Math.floor(wallMs / 86_400_000);
  const ms = wallMs - days * 86_400_000;
  // Counted in years that begin in March, so that the leap day is the last.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const day = shifted - era * 146_097;
  const year = Math.floor(
    (day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365,
  );
  const dayOfYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * dayOfYear + 2) / 153);
  const parts = [
    year + era * 400 + (month >= 10 ? 1 : 0),
    month < 10 ? month + 3 : month - 9,
    dayOfYear - Math.floor((153 * month + 2) / 5) + 1,
  ].map((part, at) => String(part).padStart(at === 0 ? 4 : 2, '0'));
  const clock = [3_600_000, 60_000, 1000].map((unit, at) =>
    String(Math.floor(ms / unit) % (at === 0 ? 24 : 60)).padStart(2, '0'),
  );
  const micros = String(Math.floor((ms % 1000) * 1000)).padStart(6, '0');
  return `${parts.join('-')}T${clock.join(':')}.${micros}Z`;
}
