import type { MessageFns } from './message.ts';

/** One RPC: its path on the wire, its shape, and the codecs of both directions. */
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
  decodeRequest(bytes: Uint8Array): Req;
  encodeResponse(message: Res): Uint8Array;
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
    const descriptor: AnyMethod = {
      path: `/${service.fullName}/${method.name}`,
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      encodeRequest: (message) => request.encode(message).finish(),
      decodeRequest: (bytes) => request.decode(bytes),
      encodeResponse: (message) => response.encode(message).finish(),
      decodeResponse: (bytes) => response.decode(bytes),
    };
    return [key, descriptor];
  });
  return Object.fromEntries(entries);
}
