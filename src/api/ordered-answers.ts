import { Wakeup } from './wakeup.ts';

/**
 * Answers a stream of requests in their order while several are under way: `answer` starts each request as it
 * arrives, and the answers come out in the order of the requests. Reads no further than `atOnce` unanswered ones.
 */
export async function* answersInOrder<Req, Res>(
  requests: AsyncIterable<Req>,
  answer: (request: Req) => Promise<Res>,
  options: { readonly signal: AbortSignal; readonly atOnce: number },
): AsyncGenerator<Res> {
  const { signal, atOnce } = options;
  const started: Promise<Res>[] = [];
  const work = new Wakeup();
  const room = new Wakeup();
  let over = false;

  const add = (pending: Promise<Res>): void => {
    // It is awaited below, in order; until then its rejection must not count as unhandled.
    pending.catch(() => {});
    started.push(pending);
    work.notify();
  };
  const read = async (): Promise<void> => {
    try {
      for await (const request of requests) {
        if (over) return;
        add(answer(request));
        while (started.length >= atOnce && !over) await room.wait();
      }
    } catch (error) {
      add(Promise.reject(error));
    }
    over = true;
    work.notify();
  };
  const abort = (): void => work.notify();

  signal.addEventListener('abort', abort);
  const reading = read();
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = started[0];
      if (next !== undefined) {
        const response = await next;
        started.shift();
        room.notify();
        yield response;
      } else if (over) {
        return await reading;
      } else {
        await work.wait();
      }
    }
  } finally {
    over = true;
    room.notify();
    signal.removeEventListener('abort', abort);
  }
}
