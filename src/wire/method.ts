import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { WireError } from './error.ts';
import type { MessageFns } from './message.ts';

/** One RPC: its path on the wire, its shape, and the codecs of both directions, which throw WireError only. */
export interface MethodDescriptor<
  Req,
  Res,
  RequestStream extends boolean = boolean,
  ResponseStream extends boolean = boolean,
> {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly requestStream: RequestStream;
  readonly responseStream: ResponseStream;
  encodeRequest(message: Req): Uint8Array;
  /** Bytes fields of the result are views of `bytes`, and plain Uint8Arrays also over a Buffer. */
  decodeRequest(bytes: Uint8Array): Req;
  encodeResponse(message: Res): Uint8Array;
  /** As decodeRequest. */
  decodeResponse(bytes: Uint8Array): Res;
}

/** Any method, where its messages do not matter. */
// biome-ignore lint/suspicious/noExplicitAny: messages are both arguments and results, so nothing narrower fits
export type AnyMethod = MethodDescriptor<any, any>;

export type RequestOf<M> = M extends MethodDescriptor<infer Req, unknown> ? Req : never;
export type ResponseOf<M> = M extends MethodDescriptor<infer _, infer Res> ? Res : never;

interface GeneratedMethod {
  readonly name: string;
  readonly requestType: unknown;
  readonly requestStream: boolean;
  readonly responseType: unknown;
  readonly responseStream: boolean;
}

interface GeneratedService {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, GeneratedMethod>>;
}

type Described<M extends GeneratedMethod> =
  M['requestType'] extends MessageFns<infer Req>
    ? M['responseType'] extends MessageFns<infer Res>
      ? MethodDescriptor<Req, Res, M['requestStream'], M['responseStream']>
      : never
    : never;

/** The methods of a service that the generator described, by their names in lower camel case. */
export function describe<S extends GeneratedService>(
  service: S,
): { readonly [Name in keyof S['methods']]: Described<S['methods'][Name]> } {
  const entries = Object.entries(service.methods).map(([key, method]) => {
    const request = method.requestType as MessageFns<unknown>;
    const response = method.responseType as MessageFns<unknown>;
    const requestName = `the request of ${service.fullName}/${method.name}`;
    const responseName = `the response of ${service.fullName}/${method.name}`;
    const descriptor: AnyMethod = {
      path: `/${service.fullName}/${method.name}`,
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      encodeRequest: (message) => encode(request, message, requestName),
      decodeRequest: (bytes) => decode(request, bytes, requestName),
      encodeResponse: (message) => encode(response, message, responseName),
      decodeResponse: (bytes) => decode(response, bytes, responseName),
    };
    return [key, descriptor];
  });
  return Object.fromEntries(entries);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const strictText = (bytes: Uint8Array) => utf8.decode(bytes);

/** Used again for each message, since its memory costs more than what most of them write there. */
let writer = new BinaryWriter();
/** After a longer message it is dropped with its memory. */
const keptBytes = 64 * 1024;

function encode<T>(type: MessageFns<T>, message: T, what: string): Uint8Array {
  try {
    const bytes = type.encode(message, writer).finish();
    if (bytes.length > keptBytes) writer = new BinaryWriter();
    return bytes;
  } catch (error) {
    // What it began to write is still in there.
    writer = new BinaryWriter();
    throw new WireError(`${what} cannot be encoded: ${reason(error)}`, { cause: error });
  }
}

function decode<T>(type: MessageFns<T>, bytes: Uint8Array, what: string): T {
  try {
    // Over a Buffer the reader would hand out Buffers, which nobody should come to depend on.
    const isPlain = bytes.constructor === Uint8Array;
    const plain = isPlain ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const reader = new BinaryReader(plain, strictText);
    const message = type.decode(reader);
    // Generated code ends a message, without an error, at tag 0 and at the end of a group that was not opened.
    if (reader.pos !== reader.len) throw new Error(`it ends after ${reader.pos} of ${reader.len} bytes`);
    return message;
  } catch (error) {
    throw new WireError(`${what} cannot be decoded: ${reason(error)}`, { cause: error });
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
