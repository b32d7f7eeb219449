import { ToldError } from '../failed-call.ts';
import type { StatusError } from '../status.ts';
import type { CallConnection } from '../types.ts';
import { type BatchReader, type BatchWriter, maxTextBytes } from './batch.ts';

/** Kinds of records that a front end sends to the core. */
export const toCore = {
  /** A client's connection, before the first call on it: id, remote, common name. */
  connection: 1,
  /** It is over: id, cause. Before the calls on it are cancelled. */
  connectionEnded: 2,
  /** A call: id, connection, method, flags; deadline and token where the flags say so; message where there is one. */
  call: 3,
  /** A further request of a call: id, message. */
  request: 4,
  /** No more requests come: id. */
  requestsEnd: 5,
  /** Nobody waits for the answer any more: id, cause. */
  cancel: 6,
  /** So much of the answers has been taken: id, bytes. */
  answersTaken: 7,
} as const;

/** Kinds of records that the core sends to a front end. Each call ends with `answer` or `status`, also a cancelled one. */
export const toFrontEnd = {
  /** The one answer of a call that went well: id, message. */
  answer: 1,
  /** One answer of several: id, message. */
  message: 2,
  /** The end of a call with several answers that went well: id. */
  end: 3,
  /** A failed call: id, status. */
  status: 4,
  /** So much of the requests has been taken: id, bytes. */
  requestsTaken: 5,
} as const;

export const callFlags = { deadline: 1, token: 2, requiresLeader: 4, message: 8 } as const;

/** What a message counts for beside its bytes, so that empty ones are bounded too. */
export const messageOverheadBytes = 64;
/** What may be on its way, or wait to be taken, in one direction of a call; then the sender waits. */
export const windowBytes = 64 * 1024;
/** What was taken is told when it is so much. */
export const tellTakenBytes = windowBytes / 2;

export const closeCauses = ['peer', 'local', 'broken'] as const satisfies CallConnection['endedBy'][];

/** Why calls are cancelled, as names of `failure`. */
export const cancelCauses = ['cancelled', 'deadlineExceeded', 'stopped'] as const;

export function writeStatus(writer: BatchWriter, id: number, { code, message, conclave }: StatusError): void {
  const { code: name, outcome, retryable } = conclave;
  writer.begin(toFrontEnd.status, 10 + maxTextBytes(message) + maxTextBytes(name) + maxTextBytes(outcome));
  writer.whole(id);
  writer.byte(code);
  writer.text(message);
  writer.text(name);
  writer.text(outcome);
  writer.byte(retryable ? 1 : 0);
}

/** All of a status but the id of its call. */
export function readStatus(reader: BatchReader): StatusError {
  const code = reader.byte();
  const message = reader.text();
  const name = reader.text() as StatusError['conclave']['code'];
  const outcome = reader.text() as StatusError['conclave']['outcome'];
  return new ToldError(code, message, { code: name, outcome, retryable: reader.byte() === 1 });
}
