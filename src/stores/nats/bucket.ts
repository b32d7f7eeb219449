/** What the bucket must be like, and what is cleared out of it. */
import type { KV, KvEntry, Kvm } from '@nats-io/kv';
import { ConclaveError } from '../../errors/index.ts';
import type { Random } from '../../runtime/types.ts';
import { isMissing } from './failures.ts';

const ages = {
  /** Nobody renews later than the longest time to live, which is a day. */
  deadAfterMs: 2 * 86_400_000,
  /** Until then what was removed is still told to those who watch. */
  markerMs: 600_000,
};
/** By each who opens the store. */
const sweptAtOnce = 200;

/** The first that carries out one of several updates that name the same revision, where a bucket has replicas. */
const soundWithReplicas = [2, 9, 21] as const;

interface StreamConfig {
  readonly storage: string;
  readonly max_age: number;
  readonly discard: string;
  readonly max_msgs: number;
  readonly mirror?: unknown;
  readonly num_replicas: number;
}

export function checkBucket(bucket: unknown): string {
  if (typeof bucket === 'string' && /^[\w-]{1,200}$/.test(bucket)) return bucket;
  throw new ConclaveError('invalid-argument', 'bucket must be a text of letters, digits, _ and -.');
}

/**
 * @throws 'failed-precondition' for a bucket that forgets, or is a copy; 'unsupported' for replicas on servers that let
 * several updates of one revision pass.
 */
export function checkConfig(description: string, config: StreamConfig, serverVersion: string): void {
  if (config.num_replicas > 1 && isBefore(serverVersion, soundWithReplicas)) {
    const least = soundWithReplicas.join('.');
    const message = `${description} has replicas on nats-server ${serverVersion}, which lets several updates of one revision pass (nats-io/nats-server#4320): use ${least} or later.`;
    throw new ConclaveError('unsupported', message);
  }
  const wrong = [
    config.storage !== 'file' && 'keeps its keys in memory only, so a restart takes tokens back',
    config.max_age !== 0 && 'has a ttl, after which elections and their tokens are forgotten',
    (config.max_msgs > 0 || config.discard !== 'new') && 'may drop old keys to make room for new ones',
    config.mirror !== undefined && 'is a mirror, which takes no writes',
  ].find((one) => typeof one === 'string');
  if (wrong === undefined) return;
  const message = `${description} ${wrong}: use another, made by createNatsBucket or by "nats kv add NAME --storage file --replicas 3" (1 for a single server).`;
  throw new ConclaveError('failed-precondition', message);
}

export async function hasBucket(kvm: Kvm, bucket: string): Promise<boolean> {
  const { streams } = await kvm.js.jetstreamManager();
  try {
    await streams.info(`KV_${bucket}`);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Those that match, also of what was deleted. Not `kv.keys`, which is at a loss where keys change meanwhile. */
export async function keysIn(kvm: Kvm, bucket: string, filter: string): Promise<readonly string[]> {
  const prefix = `$KV.${bucket}.`;
  const { streams } = await kvm.js.jetstreamManager(false);
  const { state } = await streams.info(`KV_${bucket}`, { subjects_filter: `${prefix}${filter}` });
  return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
}

/**
 * Each session that ends leaves a mark of its deletion, and one that nobody ended leaves itself: neither goes by itself.
 * All ages are by the server's clock, at the latest write among those that are looked at.
 */
export async function sweep(
  kv: KV,
  kvm: Kvm,
  bucket: string,
  random: Random,
  signal: AbortSignal,
  { deadAfterMs, markerMs } = ages,
): Promise<void> {
  const keys = await keysIn(kvm, bucket, 'session.*');
  const from = Math.floor(random.unit() * keys.length);
  const chosen = [...keys.slice(from), ...keys.slice(0, from)].slice(0, sweptAtOnce);
  const entries: KvEntry[] = [];
  for (const key of chosen) {
    if (signal.aborted) return;
    const entry = await kv.get(key);
    if (entry !== null) entries.push(entry);
  }
  const nowMs = entries.reduce((latestMs, { created }) => Math.max(latestMs, created.getTime()), 0);
  const { streams } = await kvm.js.jetstreamManager(false);
  for (const { key, operation, created, revision } of entries) {
    if (signal.aborted) return;
    const ageMs = nowMs - created.getTime();
    if (operation === 'PUT' && ageMs > deadAfterMs) await kv.delete(key, { previousSeq: revision });
    // A session has its id to itself: nothing else will ever stand there.
    if (operation !== 'PUT' && ageMs > markerMs) {
      await streams.purge(`KV_${bucket}`, { filter: `$KV.${bucket}.${key}` });
    }
  }
}

/** What is no version is taken for a new one. */
function isBefore(version: string, least: readonly number[]): boolean {
  const numbers = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? least;
  const at = least.findIndex((number, index) => number !== numbers[index]);
  return at >= 0 && (numbers[at] ?? 0) < (least[at] ?? 0);
}
