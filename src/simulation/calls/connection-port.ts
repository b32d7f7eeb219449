import type { Port, PortMessage, PortReply } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Address, CloseCause, Connection, Runtime } from '../../runtime/types.ts';
import { CallSplitter, decodeCall, decodeReply, encodeCall, encodeReply } from './call-codec.ts';

/** With so much waiting for the operating system, a stream waits with more. */
const fullBytes = 64 * 1024;
const connectTimeoutMs = 5000;

/** Messages over one connection. */
class ConnectionPort<Out, In> implements Port<Out, In> {
  onMessage: ((message: In) => void) | undefined;
  onClose: ((cause: CloseCause, reason?: ConclaveError) => void) | undefined;
  onDrained: (() => void) | undefined;
  protected connection: Connection | undefined;
  protected closed = false;
  readonly #encode: (message: Out) => Uint8Array;
  readonly #decode: (data: Uint8Array, start: number, end: number) => In;
  readonly #splitter = new CallSplitter();

  constructor(
    encode: (message: Out) => Uint8Array,
    decode: (data: Uint8Array, start: number, end: number) => In,
  ) {
    this.#encode = encode;
    this.#decode = decode;
  }

  protected use(connection: Connection): void {
    this.connection = connection;
    connection.onData = (chunk) =>
      this.#splitter.push(chunk, (data, start, end) => {
        if (!this.closed) this.onMessage?.(this.#decode(data, start, end));
      });
    connection.onDrained = () => this.onDrained?.();
    connection.onClose = (cause) => this.ended(cause, undefined);
  }

  get full(): boolean {
    return (this.connection?.bufferedBytes ?? 0) > fullBytes;
  }

  post(message: Out): void {
    if (!this.closed) this.write(this.#encode(message));
  }

  protected write(frame: Uint8Array): void {
    this.connection?.write([frame]);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.connection?.end();
  }

  protected ended(cause: CloseCause, reason: ConclaveError | undefined): void {
    this.closed = true;
    const { onClose } = this;
    this.onClose = undefined;
    if (reason === undefined) onClose?.(cause);
    else onClose?.(cause, reason);
  }
}

/** A client's port: connects when the first message is posted, and ends for good when that fails. */
export class DialledPort extends ConnectionPort<PortMessage, PortReply> {
  readonly #runtime: Runtime;
  readonly #endpoint: string;
  readonly #address: Address;
  readonly #stop = new AbortController();
  /** Posted before the connection was there; undefined: nothing was posted yet, or it is there. */
  #waiting: Uint8Array[] | undefined;

  constructor(runtime: Runtime, endpoint: string, address: Address) {
    super(encodeCall, decodeReply);
    this.#runtime = runtime;
    this.#endpoint = endpoint;
    this.#address = address;
  }

  protected override write(frame: Uint8Array): void {
    if (this.connection !== undefined) super.write(frame);
    else if (this.#waiting !== undefined) this.#waiting.push(frame);
    else {
      this.#waiting = [frame];
      this.#dial();
    }
  }

  protected override use(connection: Connection): void {
    super.use(connection);
    connection.onClose = (cause) => this.ended(cause, this.#lost());
    if (this.#waiting !== undefined) connection.write(this.#waiting);
    this.#waiting = undefined;
  }

  override close(): void {
    if (this.closed) return;
    super.close();
    if (this.connection !== undefined) return;
    this.#stop.abort();
    this.ended('local', undefined);
  }

  #dial(): void {
    const options = { timeoutMs: connectTimeoutMs, signal: this.#stop.signal };
    this.#runtime.network.connect(this.#address, options).then(
      (connection) => {
        if (this.closed) connection.destroy();
        else this.use(connection);
      },
      (cause: unknown) => {
        if (this.closed) return;
        const message = `The connection to ${this.#endpoint} could not be made.`;
        this.ended('broken', new ConclaveError('unavailable', message, { retryable: true, cause }));
      },
    );
  }

  #lost(): ConclaveError {
    const message = `The connection to ${this.#endpoint} was lost.`;
    return new ConclaveError('unavailable', message, { retryable: true, outcome: 'unknown' });
  }
}

/** A member's port, on a connection that a client made. */
export class AcceptedPort extends ConnectionPort<PortReply, PortMessage> {
  constructor(connection: Connection) {
    super(encodeReply, decodeCall);
    this.use(connection);
  }
}
