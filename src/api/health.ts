import { files, type services, HealthCheckResponse_ServingStatus as serving } from '../wire/index.ts';
import type { ApiServices } from './service.ts';
import { StatusError, statusCodes } from './status.ts';
import type { HandlerOf } from './types.ts';
import { Wakeup } from './wakeup.ts';

type Health = typeof services.Health;

const known: ReadonlySet<string> = new Set(['', ...files.flatMap((file) => file.services)]);

/**
 * gRPC's health service. All services of a member are well or not together: it must know a Raft leader, and not be
 * about to stop.
 */
export function healthService({ member }: ApiServices): { [Name in keyof Health]: HandlerOf<Health[Name]> } {
  const status = () => {
    const { raft, stopping } = member.status();
    return raft.leader !== 0 && !stopping ? serving.SERVING : serving.NOT_SERVING;
  };
  return {
    async check({ service }) {
      if (!known.has(service)) throw unknownService();
      return { status: status() };
    },

    async *watch({ service }, { signal }) {
      if (!known.has(service)) yield { status: serving.SERVICE_UNKNOWN };
      const wakeup = new Wakeup();
      const wake = (): void => wakeup.notify();
      const unsubscribe = member.onChange(wake);
      signal.addEventListener('abort', wake);
      let told: number | undefined;
      try {
        for (;;) {
          signal.throwIfAborted();
          const now = status();
          if (known.has(service) && now !== told) yield { status: now };
          told = now;
          await wakeup.wait();
        }
      } finally {
        unsubscribe();
        signal.removeEventListener('abort', wake);
      }
    },
  };
}

/** The words of gRPC's own servers. */
function unknownService(): StatusError {
  const trailers = { code: 'not-found', outcome: 'not-applied', retryable: false } as const;
  return new StatusError(statusCodes.notFound, 'unknown service', trailers);
}
