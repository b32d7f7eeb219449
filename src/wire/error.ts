/** Bytes that are no such message, or a value that its field cannot hold. */
export class WireError extends Error {
  override readonly name = 'WireError';
}
