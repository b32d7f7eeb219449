import { detached, type Message } from './message-assembler.ts';
import { RpcCall, type RpcServing } from './rpc-call.ts';
import type { RpcHead } from './rpc-head.ts';
import { type Http2Stream, uncountedBytes } from './stream.ts';
import type { RpcMethod } from './types.ts';

type Unary<Connection> = Extract<RpcMethod<Connection>, { shape: 'unary' }>;

const internal = 13;
const resourceExhausted = 8;

/** One request, one answer. */
export class UnaryCall<Connection> extends RpcCall<Connection> {
  readonly #method: Unary<Connection>;
  #message: Message | undefined;

  constructor(
    serving: RpcServing<Connection>,
    stream: Http2Stream,
    head: RpcHead<Connection>,
    method: Unary<Connection>,
  ) {
    super(serving, stream, head);
    this.#method = method;
  }

  protected override received(message: Message): void {
    if (this.#message === undefined) this.#message = message;
    else this.refuse(internal, 'grpc: a second message in a call that takes one');
  }

  protected override get waitingBytes(): number {
    return this.#message?.bytes.length ?? 0;
  }

  /** The end of the request is yet to come, and may be for long. */
  protected override countHeld(): void {
    if (this.#message !== undefined) this.#message = detached(this.#message);
    super.countHeld();
  }

  protected override ended(): void {
    if (this.#message === undefined) return this.refuse(internal, 'grpc: the request has no message');
    const { bytes } = this.#message;
    if (bytes.length <= uncountedBytes) {
      this.#run(this.#message);
    } else if (!this.serving.takeRunning(bytes.length)) {
      this.refuse(resourceExhausted, 'grpc: too many large requests are under way');
    } else {
      const over = () => this.serving.giveBackRunning(bytes.length);
      const running = this.#run(this.#message);
      if (running === undefined) over();
      else running.then(over, over);
    }
  }

  /** Its handler's; undefined: it did not get so far. */
  #run(message: Message): Promise<unknown> | undefined {
    const decoded = this.decoded(message, this.#method);
    this.#message = undefined;
    if (decoded === undefined) return undefined;
    this.countHeld();
    let answer: Promise<unknown>;
    try {
      answer = this.#method.handler(decoded.request, this);
    } catch (error) {
      this.fail(error);
      return undefined;
    }
    this.serving.handlerStarted();
    answer.then(
      (response) => {
        this.serving.handlerEnded();
        this.#answer(response);
      },
      (error: unknown) => {
        this.serving.handlerEnded();
        this.fail(error);
      },
    );
    return answer;
  }

  protected override released(): void {
    super.released();
    this.#message = undefined;
  }

  #answer(response: unknown): void {
    if (this.over) return;
    let message: Uint8Array;
    try {
      message = this.#method.encode(response);
    } catch (error) {
      return this.fail(error);
    }
    if (!this.stream.takes(message.length))
      return this.refuse(resourceExhausted, 'grpc: too many answers wait to be read');
    this.sendHead();
    this.stream.sendMessage(message);
    this.finish(undefined);
  }
}
