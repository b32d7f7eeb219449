/**
 * What the election tells the outside: one event type, given to `onEvent` and published on
 * `node:diagnostics_channel`. A listener that throws is ignored: it must not end a leadership.
 */
import { channel } from 'node:diagnostics_channel';

/**
 * Why a leadership ended.
 * - `resigned`, `handed-off`: by our own wish, and the store confirmed it;
 * - `expired`: our clock says that the lease may run out; `lease-lost`: the store says that it did;
 * - `disconnected`: the connection that the session is bound to broke, and its grace is over;
 * - `replaced`: the store shows that this token leads no longer (somebody deleted or overrode it);
 * - `closed`: its session was closed, or a release could not be delivered and the lease was left to run out.
 */
export type LossCause =
  | 'resigned'
  | 'handed-off'
  | 'expired'
  | 'lease-lost'
  | 'disconnected'
  | 'replaced'
  | 'closed';

/** `type` is also the last part of the channel's name. Times are milliseconds. */
export type ElectionEvent =
  | { readonly type: 'campaign'; readonly name: string; readonly holder: string; readonly store: string }
  | {
      readonly type: 'elected';
      readonly name: string;
      readonly holder: string;
      readonly token: number;
      readonly remainingMs: number;
    }
  /** A session was renewed; it may carry several names. */
  | {
      readonly type: 'renewed';
      readonly holder: string;
      readonly session: string;
      readonly remainingMs: number;
    }
  | {
      readonly type: 'lost';
      readonly name: string;
      readonly holder: string;
      readonly token: number;
      readonly cause: Exclude<LossCause, 'resigned' | 'handed-off'>;
    }
  | {
      readonly type: 'resigned';
      readonly name: string;
      readonly holder: string;
      readonly token: number;
      /** Present after a hand-off: by `handOff()`, or by `yieldToPriority`. */
      readonly handedTo?: string;
    }
  /** The job still runs this long after its signal aborted. Repeated with growing distance. */
  | {
      readonly type: 'job-overran';
      readonly name: string;
      readonly holder: string;
      readonly token: number;
      readonly elapsedMs: number;
    }
  /** Something failed and will be tried again. */
  | {
      readonly type: 'trouble';
      readonly holder: string;
      readonly store: string;
      /** "Opening a session", "Renewing the session", … */
      readonly what: string;
      readonly error: unknown;
      /** 1 for the first failure in a row. */
      readonly attempt: number;
      readonly retryInMs: number;
    };

/** The `node:diagnostics_channel` names; each carries the events of its type. */
export const electionChannels = {
  campaign: 'conclave:election:campaign',
  elected: 'conclave:election:elected',
  renewed: 'conclave:election:renewed',
  lost: 'conclave:election:lost',
  resigned: 'conclave:election:resigned',
  'job-overran': 'conclave:election:job-overran',
  trouble: 'conclave:election:trouble',
} as const satisfies Record<ElectionEvent['type'], string>;

const channels = Object.fromEntries(
  Object.entries(electionChannels).map(([type, name]) => [type, channel(name)]),
) as Record<ElectionEvent['type'], ReturnType<typeof channel>>;

export type EventListener = (event: ElectionEvent) => void;

export function publish(event: ElectionEvent, listener: EventListener | undefined): void {
  deliver(channels[event.type], event, listener);
}

/** To the channel and the listener, whose failures are their own. */
export function deliver<E>(
  target: ReturnType<typeof channel>,
  event: E,
  listener: ((event: E) => void) | undefined,
): void {
  if (target.hasSubscribers) target.publish(event);
  try {
    // A listener declared `async` type-checks as well; its rejection must not go unhandled.
    const returned: unknown = listener?.(event);
    if (returned instanceof Promise) returned.catch(() => {});
  } catch {
    // The listener's own fault; the loop goes on.
  }
}
