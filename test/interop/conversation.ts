// Runs the same requests on a server, step by step, and keeps what it answers in a form that can be compared with
// another server's: ids, terms and addresses, which differ by nature, are left out.
import type { MethodDescriptor } from '../../src/wire/index.ts';
import {
  services,
  type WatchCreateRequest as WatchCreate,
  WatchCreateRequest,
  WatchRequest,
  type WatchResponse,
} from '../../src/wire/index.ts';
import { Caller, type Stream } from './caller.ts';

export interface Step {
  readonly name: string;
  readonly answer: string;
}

export class Conversation implements Disposable {
  readonly steps: Step[] = [];
  readonly caller: Caller;
  readonly #own: Disposable[] = [];

  constructor(endpoint: string) {
    this.caller = new Caller(endpoint);
    this.#own.push(this.caller);
  }

  /** Calls, and keeps the response or the status. */
  async call<Req, Res>(
    name: string,
    method: MethodDescriptor<Req, Res>,
    request: Req,
    keep: (response: Res) => unknown = (response) => response,
  ): Promise<void> {
    const answer = await this.caller.unary(method, request);
    this.#keep(name, 'response' in answer ? keep(answer.response) : `${answer.code} ${answer.message}`);
  }

  /** Keeps the next response of a stream. */
  async next<Res>(name: string, stream: Stream<never, Res>): Promise<void> {
    this.#keep(name, await stream.next());
  }

  watch(): WatchConversation {
    const stream = this.caller.duplex(services.Watch.watch);
    this.#own.push(stream);
    return new WatchConversation(stream, (name, response) => this.#keep(name, response));
  }

  own<T extends Disposable>(it: T): T {
    this.#own.push(it);
    return it;
  }

  #keep(name: string, value: unknown): void {
    this.steps.push({ name, answer: comparable(value) });
  }

  [Symbol.dispose](): void {
    for (const it of this.#own.reverse()) it[Symbol.dispose]();
  }
}

export class WatchConversation {
  readonly #stream: Stream<WatchRequest, WatchResponse>;
  readonly #keep: (name: string, response: unknown) => void;

  constructor(stream: Stream<WatchRequest, WatchResponse>, keep: (name: string, response: unknown) => void) {
    this.#stream = stream;
    this.#keep = keep;
  }

  create(request: Partial<WatchCreate>): void {
    this.#send({ $case: 'createRequest', value: WatchCreateRequest.create(request) });
  }

  cancel(watchId: number): void {
    this.#send({ $case: 'cancelRequest', value: { watchId } });
  }

  progress(): void {
    this.#send({ $case: 'progressRequest', value: {} });
  }

  /** Keeps the next `count` responses. */
  async next(name: string, count = 1): Promise<void> {
    for (let at = 1; at <= count; at++) {
      this.#keep(count === 1 ? name : `${name}, response ${at}`, await this.#stream.next());
    }
  }

  #send(requestUnion: WatchRequest['requestUnion']): void {
    this.#stream.send(WatchRequest.create({ requestUnion }));
  }
}

const different = new Set(['clusterId', 'memberId', 'raftTerm']);

function comparable(value: unknown): string {
  return JSON.stringify(value, (key, field: unknown) => {
    if (different.has(key)) return undefined;
    if (typeof field === 'bigint') return field.toString();
    if (field instanceof Uint8Array) return Buffer.from(field).toString('latin1');
    if (typeof field === 'object' && field !== null && 'type' in field && field.type === 'Buffer') {
      return Buffer.from(field as unknown as ArrayLike<number>).toString('latin1');
    }
    return field;
  });
}
