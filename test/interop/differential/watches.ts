// The watch stream of one sequence on one server, read so that what comes by chance (which watch speaks first, how
// many revisions one response holds) does not show, and nothing else is hidden.
import {
  services,
  WatchCreateRequest,
  type WatchRequest,
  WatchRequest as WatchRequestMessage,
  type WatchResponse,
} from '../../../src/wire/index.ts';
import type { Caller, Stream } from '../caller.ts';

/** The id of the watch that tells when others have everything; no generated one has it. */
const witnessId = 777_777;
const witnessKey = Buffer.from('~witness');
const noWatch = -1;

export class WatchTalk implements Disposable {
  /** For each watch what came for it, in order: events, and its end where compaction ended it. */
  readonly received = new Map<number, unknown[]>();
  readonly #stream: Stream<WatchRequest, WatchResponse>;
  readonly #put: (key: Uint8Array) => Promise<number>;
  /** Answers to create, cancel and progress requests that were not yet taken. */
  #answers: WatchResponse[] = [];
  #witnessed = 0;
  #failure: unknown;
  #changed: () => void = () => {};
  #lastRevision = new Map<number, number>();

  /** `put` writes a key that no generated request names, and gives the revision. */
  constructor(caller: Caller, put: (key: Uint8Array) => Promise<number>) {
    this.#put = put;
    this.#stream = caller.duplex(services.Watch.watch);
    void this.#read();
  }

  /** Everything that the server answers to the request itself; events are kept aside. */
  async request(requestUnion: WatchRequest['requestUnion']): Promise<WatchResponse[]> {
    this.#send(requestUnion);
    // Answers keep the order of their requests, so the one to this comes after all of those to that.
    this.#send({ $case: 'progressRequest', value: {} });
    const progresses = requestUnion?.$case === 'progressRequest' ? 2 : 1;
    await this.#until(() => this.#answers.filter(isProgress).length === progresses);
    const answers = this.#answers;
    this.#answers = [];
    return answers.slice(0, -1);
  }

  /**
   * Waits until every watch has been sent what there is. Servers send the past to all watches that begin there in
   * one go, now and then: so once a watch that begins in the past has it, and after that what is written next, the
   * others have too.
   */
  async settle(): Promise<void> {
    const startRevision = await this.#put(witnessKey);
    this.#witnessed = 0;
    const key = witnessKey;
    await this.request({
      $case: 'createRequest',
      value: WatchCreateRequest.create({ key, startRevision, watchId: witnessId }),
    });
    await this.#until(() => this.#witnessed >= startRevision);
    const last = await this.#put(witnessKey);
    await this.#until(() => this.#witnessed >= last);
    await this.request({ $case: 'cancelRequest', value: { watchId: witnessId } });
  }

  [Symbol.dispose](): void {
    this.#stream.cancel();
  }

  #send(requestUnion: WatchRequest['requestUnion']): void {
    this.#stream.send(WatchRequestMessage.create({ requestUnion }));
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const response = await this.#stream.next();
        if (response === undefined) throw new Error('the watch stream ended');
        this.#take(response);
        this.#changed();
      }
    } catch (error) {
      this.#failure = error;
      this.#changed();
    }
  }

  #take(response: WatchResponse): void {
    const { watchId, events, compactRevision, canceled, created, header, ...rest } = response;
    if (watchId === witnessId && events.length > 0) {
      this.#witnessed = events.at(-1)?.kv?.modRevision ?? 0;
      return;
    }
    if (events.length === 0 && !(canceled && compactRevision !== 0)) {
      this.#answers.push(response);
      return;
    }
    const kept = this.received.get(watchId) ?? [];
    this.received.set(watchId, kept);
    if (canceled || created || events.length === 0) {
      kept.push({ canceled, created, compactRevision, ...rest, headerRevision: header?.revision });
      return;
    }
    // A revision is never cut in two, and the header is never behind what it brings.
    const first = events[0]?.kv?.modRevision ?? 0;
    const last = events.at(-1)?.kv?.modRevision ?? 0;
    if (first === this.#lastRevision.get(watchId)) kept.push('a revision was cut in two');
    if ((header?.revision ?? 0) < last) kept.push('the header is behind the events');
    this.#lastRevision.set(watchId, last);
    // What settling writes is seen by those that watch everything, by some of them later than others.
    for (const event of events) {
      if (Buffer.compare(event.kv?.key ?? witnessKey, witnessKey) !== 0) kept.push({ ...event, ...rest });
    }
  }

  async #until(reached: () => boolean): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!reached()) {
      if (this.#failure !== undefined) throw this.#failure;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error('the watch stream fell silent');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

function isProgress({ watchId, created, canceled }: WatchResponse): boolean {
  return watchId === noWatch && !created && !canceled;
}
