import { ConclaveError } from '../errors/index.ts';
import type { Timers } from '../runtime/types.ts';
import { type MemberStateResponse, services } from '../wire/index.ts';
import type { AttemptOptions, Endpoints } from './endpoints.ts';

/** The first state that a member tells: the stream of them has no other end. */
export function memberState(
  endpoints: Endpoints,
  timers: Timers,
  options: AttemptOptions,
): Promise<MemberStateResponse> {
  const what = "Asking for a member's state";
  return endpoints.run(what, { ...options, changesNothing: true }, async (link, { timeoutMs }) => {
    const { signal } = options;
    const stream = link.stream(services.Conclave.memberState, signal === undefined ? {} : { signal });
    const timer = timers.after(timeoutMs, () => stream.close());
    try {
      stream.send({ follow: false });
      stream.end();
      for await (const state of stream.responses) return state;
    } finally {
      timer.cancel();
    }
    const message = `${link.endpoint} did not tell its state within ${Math.round(timeoutMs)} ms.`;
    throw new ConclaveError('unavailable', message, { retryable: true });
  });
}

/** Ends quietly when the signal aborts, and with an error when the connection breaks. */
export async function* followMemberState(
  endpoints: Endpoints,
  endpoint: string,
  options: { readonly signal?: AbortSignal },
): AsyncGenerator<MemberStateResponse, void, undefined> {
  const stream = endpoints.linkTo(endpoint).stream(services.Conclave.memberState, options);
  stream.send({ follow: true });
  stream.end();
  try {
    yield* stream.responses;
  } catch (error) {
    if (options.signal?.aborted) return;
    throw error;
  }
}
