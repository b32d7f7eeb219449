/**
 * Operations that are repeated until their outcome is known, and recorded once.
 *
 * Guarantees: of one operation at most one result is recorded, in the step that ends the leadership of who ran it;
 * every caller within `retainMs` gets that one, whichever process ran it; who lost the leadership records nothing.
 *
 * Must not: promise that the function runs once. After a crash between its effect and the record it runs again; the
 * effect is exactly-once only where the resource itself knows the operation id.
 */
export { jsonCodec, type NotJson, type ResultCodec } from './codec.ts';
export { type OnceArguments, type OnceContext, once } from './once.ts';
export type { OperationLeadership } from './operation-leadership.ts';
export type { OnceOptions } from './options.ts';
