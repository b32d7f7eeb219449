import { detached, type Message } from './message-assembler.ts';
import { RpcCall, type RpcServing } from './rpc-call.ts';
import type { RpcHead } from './rpc-head.ts';
import type { Http2Stream } from './stream.ts';
import type { RpcAnswers, RpcMethod } from './types.ts';

type Streaming<Connection> = Exclude<RpcMethod<Connection>, { shape: 'unary' }>;

const internal = 13;
const resourceExhausted = 8;
/** What a message costs while it waits, beyond its bytes: those without any are cheap to send. */
const messageOverhead = 160;
/** Requests that wait for the handler, above which the other side is not let send more: how many, and their bytes. */
const waitingRequests = 64;
const waitingBytes = 256 * 1024;

/** A call whose answers, and maybe requests, are streams. Answers are taken from the handler as fast as they leave. */
export class StreamCall<Connection> extends RpcCall<Connection> {
  readonly #method: Streaming<Connection>;
  readonly #waiting: Message[] = [];
  protected override waitingBytes = 0;
  /** Called when its status was sent, or cannot be sent any more. */
  onOver: () => void = () => {};
  #allReceived = false;
  #started = false;
  /** Content that came while too many requests waited. */
  #withheldBytes = 0;
  #wakeReader: () => void = () => {};
  #wakeWriter: () => void = () => {};

  constructor(
    serving: RpcServing<Connection>,
    stream: Http2Stream,
    head: RpcHead<Connection>,
    method: Streaming<Connection>,
  ) {
    super(serving, stream, head);
    this.#method = method;
  }

  /** A duplex call begins with its headers, before any request. */
  begin(): void {
    if (this.#method.shape !== 'duplex' || this.over) return;
    const { handler } = this.#method;
    this.#start(() => handler(this.#requests(), this));
  }

  /** The server closes. */
  stop(): void {
    this.fail(this.serving.causes.stopped());
  }

  override data(bytes: Uint8Array, from: number, to: number, end: boolean): void {
    if (this.#full) this.#withheldBytes += to - from;
    super.data(bytes, from, to, end);
  }

  protected override useContent(bytes: number): void {
    if (this.#withheldBytes === 0) super.useContent(bytes);
  }

  override drained(): void {
    this.#wakeWriter();
  }

  protected override received(message: Message): void {
    if (this.#method.shape === 'server-stream' && this.#waiting.length > 0) {
      return this.refuse(internal, 'grpc: a second message in a call that takes one');
    }
    this.#waiting.push(detached(message));
    this.waitingBytes += message.bytes.length + messageOverhead;
    this.#wakeReader();
  }

  protected override ended(): void {
    this.#allReceived = true;
    this.#wakeReader();
    if (this.#method.shape !== 'server-stream') return this.countHeld();
    if (this.#started) return;
    const message = this.#take();
    if (message === undefined) return this.refuse(internal, 'grpc: the request has no message');
    const { handler } = this.#method;
    const decoded = this.decoded(message, this.#method);
    if (decoded !== undefined) this.#start(() => handler(decoded.request, this));
  }

  protected override interrupted(): void {
    this.#allReceived = true;
    this.#wakeReader();
    this.#wakeWriter();
  }

  protected override released(): void {
    super.released();
    this.onOver();
  }

  #start(answer: () => RpcAnswers): void {
    this.#started = true;
    this.serving.handlerStarted();
    void this.#answer(answer).finally(() => this.serving.handlerEnded());
  }

  /** Never rejects. */
  async #answer(answer: () => RpcAnswers): Promise<void> {
    try {
      const answers = answer();
      for await (const first of answers) {
        if (this.over) break;
        this.sendHead();
        for (let response = first; response !== undefined; response = this.#takeReady(answers)) {
          const message = this.#method.encode(response);
          if (!this.stream.takes(message.length))
            return this.refuse(resourceExhausted, 'grpc: too many answers wait to be read');
          if (!this.stream.sendMessage(message)) await this.#room();
        }
      }
      this.finish(undefined);
    } catch (error) {
      this.fail(error);
    } finally {
      // A handler that ended while requests may still come reads no more of them.
      this.interrupted();
    }
  }

  #takeReady(answers: RpcAnswers): unknown {
    return this.over ? undefined : answers.takeReady?.();
  }

  /** Resolves when the stream takes more, or is over. */
  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeWriter = resolve;
    });
  }

  /** For one reader. A message that does not decode ends the call. */
  async *#requests(): AsyncGenerator<unknown> {
    for (;;) {
      const message = this.#take();
      if (message !== undefined) {
        this.#letMoreCome();
        const decoded = this.decoded(message, this.#method);
        if (decoded === undefined) return;
        yield decoded.request;
      } else if (this.#allReceived) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    }
  }

  #take(): Message | undefined {
    const message = this.#waiting.shift();
    if (message !== undefined) this.waitingBytes -= message.bytes.length + messageOverhead;
    if (!this.over) this.countHeld();
    return message;
  }

  get #full(): boolean {
    return this.#waiting.length >= waitingRequests || this.waitingBytes >= waitingBytes;
  }

  #letMoreCome(): void {
    if (this.#withheldBytes === 0 || this.#full) return;
    const bytes = this.#withheldBytes;
    this.#withheldBytes = 0;
    super.useContent(bytes);
  }
}
