/**
 * The server side of HTTP/2 for gRPC, on sockets that somebody else accepts: RFC 9113 framing, streams and flow
 * control, RFC 7541 header compression, gRPC's messages, statuses, deadlines and encodings. It knows methods by their
 * paths, and nothing of what they do.
 *
 * It guarantees that a connection costs bounded memory and time, whatever its other side sends (`Http2Limits`); that
 * what is said on a connection in one turn of the loop leaves in one write; and that a handler whose caller is gone
 * hears of it by its signal. It must not import anything of the store, nor listen, nor read a clock of its own.
 */
export { ConnectionError } from './frames.ts';
export type { HttpExchange } from './http-exchange.ts';
export { type Holder, PartialBudget } from './partial-budget.ts';
export { RunningBytes } from './running-bytes.ts';
export { Http2Server, type Http2ServerOptions } from './server.ts';
export { uncountedBytes } from './stream.ts';
export * from './types.ts';
