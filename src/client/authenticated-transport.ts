import { ConclaveError } from '../errors/index.ts';
import type { MethodDescriptor } from '../wire/index.ts';
import { endedStream } from './ended-stream.ts';
import { asConclaveError } from './endpoints.ts';
import { type Login, staleTexts } from './login.ts';
import type { StreamOptions, Transport, TransportStream, UnaryOptions } from './transport.ts';

/**
 * Sends the client's token with each call and stream. A call that met a token that had run out is sent once more under
 * another; a stream ends with an error that is worth a retry, as it does when a connection breaks.
 */
export class AuthenticatedTransport implements Transport {
  readonly endpoint: string;
  readonly #inner: Transport;
  readonly #login: Login;

  constructor(inner: Transport, login: Login) {
    this.endpoint = inner.endpoint;
    this.#inner = inner;
    this.#login = login;
  }

  async unary<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    options: UnaryOptions,
  ): Promise<Res> {
    for (let attempt = 1; ; attempt++) {
      await this.#login.make(this.#inner);
      const { token } = this.#login;
      try {
        return await this.#inner.unary(method, request, withToken(options, token));
      } catch (error) {
        if (!this.#login.isStale(error, token) || attempt > 1) throw error;
      }
    }
  }

  stream<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    options: StreamOptions = {},
  ): TransportStream<Req, Res> {
    if (this.#login.ready) return this.#open(method, options);
    const opened = this.#login.make(this.#inner).then(
      () => this.#open(method, options),
      (error: unknown) => endedStream<Req, Res>(asConclaveError(error, 'Logging in')),
    );
    return laterStream(opened);
  }

  onBreak(listener: (cause: ConclaveError) => void): () => void {
    return this.#inner.onBreak(listener);
  }

  close(cause?: ConclaveError): void {
    this.#inner.close(cause);
  }

  #open<Req, Res>(method: MethodDescriptor<Req, Res>, options: StreamOptions): TransportStream<Req, Res> {
    const { token } = this.#login;
    const stream = this.#inner.stream(method, withToken(options, token));
    const told = (error: unknown): unknown => (this.#login.isStale(error, token) ? ranOut(error) : error);
    const responses = async function* (): AsyncGenerator<Res> {
      try {
        for await (const response of stream.responses) {
          const reason = refusedWatch(response);
          if (reason !== undefined) throw new ConclaveError('unauthenticated', reason);
          yield response;
        }
      } catch (error) {
        throw told(error);
      }
    };
    return {
      send: (message) => stream.send(message),
      responses: responses(),
      end: () => stream.end(),
      close: () => stream.close(),
      closed: stream.closed.then((error) => told(error) as ConclaveError | undefined),
    };
  }
}

function withToken<Options extends object>(options: Options, token: string | undefined): Options {
  return token === undefined ? options : { ...options, token };
}

/** etcd refuses a watch for its token, or for the lack of one, without ending the stream. */
function refusedWatch(response: unknown): string | undefined {
  const { cancelReason } = response as { readonly cancelReason?: string };
  return cancelReason !== undefined && staleTexts.test(cancelReason) ? cancelReason : undefined;
}

function ranOut(cause: unknown): ConclaveError {
  const message = 'The token that the stream was opened with is not valid any more.';
  return new ConclaveError('unavailable', message, { retryable: true, cause });
}

/** A stream that opens when the login is through; what is sent until then waits for it. */
function laterStream<Req, Res>(opening: Promise<TransportStream<Req, Res>>): TransportStream<Req, Res> {
  let opened: TransportStream<Req, Res> | undefined;
  const waiting: ((stream: TransportStream<Req, Res>) => void)[] = [];
  void opening.then((stream) => {
    opened = stream;
    for (const act of waiting) act(stream);
  });
  const act = (what: (stream: TransportStream<Req, Res>) => void): void => {
    if (opened === undefined) waiting.push(what);
    else what(opened);
  };
  const responses = async function* (): AsyncGenerator<Res> {
    yield* (await opening).responses;
  };
  return {
    send: (message) => act((stream) => stream.send(message)),
    responses: responses(),
    end: () => act((stream) => stream.end()),
    close: () => act((stream) => stream.close()),
    closed: opening.then((stream) => stream.closed),
  };
}
