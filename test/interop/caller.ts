// A bare gRPC caller: any method of ours by its descriptor, with the status as the server sent it.
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import type { MethodDescriptor } from '../../src/wire/index.ts';

export type Answer<Res> =
  | { readonly code: 0; readonly response: Res }
  | { readonly code: number; readonly message: string; readonly metadata: Metadata };

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

export class Caller implements Disposable {
  readonly #client: Client;

  constructor(endpoint: string) {
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      // A connection of its own for each caller.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 500,
    });
  }

  unary<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    options: { timeoutMs?: number; signal?: AbortSignal; token?: string | undefined } = {},
  ): Promise<Answer<Res>> {
    return new Promise((resolve) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        (message: Req) => asBuffer(method.encodeRequest(message)),
        (bytes: Buffer) => method.decodeResponse(bytes),
        request,
        metadataOf(options.token),
        { deadline: Date.now() + (options.timeoutMs ?? 10_000) },
        (error: ServiceError | null, response?: Res) => {
          if (error !== null) resolve({ code: error.code, message: error.details, metadata: error.metadata });
          else resolve({ code: 0, response: response as Res });
        },
      );
      options.signal?.addEventListener('abort', () => call.cancel());
    });
  }

  duplex<Req, Res>(method: MethodDescriptor<Req, Res>, token?: string): Stream<Req, Res> {
    const call = this.#client.makeBidiStreamRequest(
      method.path,
      (message: Req) => asBuffer(method.encodeRequest(message)),
      (bytes: Buffer) => method.decodeResponse(bytes),
      metadataOf(token),
    );
    return new Stream(call, (request) => call.write(request));
  }

  serverStream<Req, Res>(method: MethodDescriptor<Req, Res>, request: Req): Stream<never, Res> {
    const call = this.#client.makeServerStreamRequest(
      method.path,
      (message: Req) => asBuffer(method.encodeRequest(message)),
      (bytes: Buffer) => method.decodeResponse(bytes),
      request,
      new Metadata(),
    );
    return new Stream(call, () => {});
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function metadataOf(token: string | undefined): Metadata {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('token', token);
  return metadata;
}

/** Responses one after the other; `next` rejects with the status when the stream failed. */
export class Stream<Req, Res> implements Disposable {
  readonly #call: ClientReadableStream<Res>;
  readonly #write: (request: Req) => void;
  readonly #iterator: AsyncIterator<Res>;

  constructor(call: ClientReadableStream<Res>, write: (request: Req) => void) {
    this.#call = call;
    this.#write = write;
    call.on('error', () => {});
    this.#iterator = call[Symbol.asyncIterator]() as AsyncIterator<Res>;
  }

  send(request: Req): void {
    this.#write(request);
  }

  /** The next response; undefined at the end. */
  async next(): Promise<Res | undefined> {
    const { done, value } = await this.#iterator.next();
    return done === true ? undefined : value;
  }

  /** Closes our half. */
  end(): void {
    (this.#call as unknown as ClientDuplexStream<Req, Res>).end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  [Symbol.dispose](): void {
    this.cancel();
  }
}
