/**
 * Changes of a bucket as they come, by a plain consumer of the store's own. Not `kv.watch`: what that does by itself
 * after an interruption goes on where the watch was stopped meanwhile, also on a closed connection.
 */
import type { Kvm } from '@nats-io/kv';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Runtime, Timer } from '../../runtime/types.ts';
import type { DocumentChange } from '../documents/index.ts';
import { readKey } from './keys.ts';

export interface BucketChangesOptions {
  readonly connection: NatsConnection;
  readonly manager: Awaited<ReturnType<Kvm['js']['jetstreamManager']>>;
  readonly bucket: string;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

const heartbeatMs = 2000;
const nanos = (ms: number) => ms * 1_000_000;
/** Stream, consumer, how often it was delivered, the stream's sequence, the consumer's own: one more each time. */
const acknowledge = /^\$JS\.ACK\.(?:[^.]+\.[^.]+\.)?[^.]+\.[^.]+\.\d+\.\d+\.(\d+)\.\d+\.\d+(?:\.[^.]+)?$/;

/** Ends when the connection breaks or the consumer falls silent. */
export async function* bucketChanges(
  options: BucketChangesOptions,
): AsyncGenerator<DocumentChange, void, undefined> {
  const { connection, manager, bucket, runtime, signal } = options;
  const { options: settings } = connection as { options?: { inboxPrefix?: string } };
  const id = Buffer.from(runtime.random.bytes(12)).toString('hex');
  const inbox = `${settings?.inboxPrefix ?? '_INBOX'}.${id}`;
  const prefix = `$KV.${bucket}.`;
  let changes: DocumentChange[] = [];
  let sequence = 0;
  let gone = false;
  let silence: Timer | undefined;
  let wake = () => {};
  const end = () => {
    gone = true;
    wake();
  };
  const onMessage = (error: Error | null, message: Msg) => {
    silence?.cancel();
    silence = runtime.timers.after(3 * heartbeatMs, end, { background: true });
    if (error !== null) return end();
    const [, delivered] = acknowledge.exec(message.reply ?? '') ?? [];
    if (delivered === undefined) return;
    // What is missing before this one is unknown.
    if (Number(delivered) !== sequence + 1) changes.push('all');
    sequence = Number(delivered);
    const change = readKey(message.subject.slice(prefix.length));
    if (change !== undefined) changes.push(change);
    wake();
  };
  const subscription = connection.subscribe(inbox, { callback: onMessage });
  const statuses = connection.status() as ReturnType<NatsConnection['status']> & { stop(): void };
  const connected = untilBroken(statuses).then(end, end);
  signal.addEventListener('abort', end);
  try {
    const consumer = await manager.consumers.add(`KV_${bucket}`, {
      ...{ deliver_subject: inbox, deliver_policy: 'new', ack_policy: 'none', headers_only: true },
      ...{
        filter_subject: `${prefix}>`,
        idle_heartbeat: nanos(heartbeatMs),
        num_replicas: 1,
        mem_storage: true,
      },
      // It goes by itself when nobody listens.
      inactive_threshold: nanos(10_000),
    });
    silence ??= runtime.timers.after(3 * heartbeatMs, end, { background: true });
    yield 'all';
    while (!gone && !signal.aborted) {
      const told = changes;
      changes = [];
      yield* told;
      if (changes.length > 0 || gone || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (!connection.isClosed()) await manager.consumers.delete(`KV_${bucket}`, consumer.name).catch(() => {});
  } finally {
    gone = true;
    signal.removeEventListener('abort', end);
    silence?.cancel();
    statuses.stop();
    if (!subscription.isClosed()) subscription.unsubscribe();
    await connected;
  }
}

async function untilBroken(statuses: AsyncIterable<{ readonly type: string }>): Promise<void> {
  for await (const { type } of statuses) if (type === 'disconnect' || type === 'close') return;
}
