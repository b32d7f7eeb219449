/** The checks of keys and texts before anything is sent. */
import { ConclaveError } from '../../errors/index.ts';
import { slotOf } from './slot.ts';

export function checkKey(what: string, key: unknown): void {
  if (typeof key === 'string' && key !== '') return checkText(what, key);
  throw new ConclaveError('invalid-argument', `${what} must be a string that is not empty.`);
}

/** @throws 'invalid-argument' also for half a surrogate pair, which would be changed on its way. */
export function checkText(what: string, text: unknown): void {
  if (typeof text === 'string' && text.isWellFormed()) return;
  const message = `${what} must be a string of whole characters; encode bytes, for example as base64.`;
  throw new ConclaveError('invalid-argument', message);
}

/** One script can only touch one slot of a cluster; this is refused everywhere, so that a cluster can come later. */
export function checkSlots(fenceKey: string, keys: readonly string[]): void {
  const slot = slotOf(fenceKey);
  const other = keys.find((key) => slotOf(key) !== slot);
  if (other === undefined) return;
  const message = `The keys ${JSON.stringify(fenceKey)} (the fence) and ${JSON.stringify(other)} are in different slots of a cluster: give them the same part in braces, as {orders}:fence and {orders}:state.`;
  throw new ConclaveError('invalid-argument', message);
}
