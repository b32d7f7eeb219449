/** What a guard is given to write: bytes, or text, which becomes UTF-8. */
import { ConclaveError } from '../errors/index.ts';

/**
 * @param what begins the message: whose data it is, and for which resource.
 * @throws 'invalid-argument'
 */
export function bytesOf(what: string, data: Uint8Array | string): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (typeof data !== 'string') {
    const given = data === null ? 'null' : typeof data;
    throw new ConclaveError('invalid-argument', `${what} must be a Uint8Array or a string, not ${given}.`);
  }
  if (!data.isWellFormed()) {
    throw new ConclaveError('invalid-argument', `${what} has half a surrogate pair, which UTF-8 cannot say.`);
  }
  return new TextEncoder().encode(data);
}
