/** A state that cannot be, unless the code or the data under it is broken. The member stops on it. */
export class InvariantViolation extends Error {
  override readonly name: string = 'InvariantViolation';
}

/** Encoded data that no encoder of this version wrote: truncated, damaged, or of another format. */
export class MalformedData extends InvariantViolation {
  override readonly name: string = 'MalformedData';
}
