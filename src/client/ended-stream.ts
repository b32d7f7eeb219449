import type { ConclaveError } from '../errors/index.ts';
import { Inbox } from './inbox.ts';
import type { TransportStream } from './transport.ts';

/** A stream that was over before it began. */
export function endedStream<Req, Res>(cause: ConclaveError): TransportStream<Req, Res> {
  const inbox = new Inbox<Res>();
  inbox.end(cause);
  return { send: () => {}, responses: inbox, end: () => {}, close: () => {}, closed: Promise.resolve(cause) };
}
