import type { StatusError } from '../status.ts';
import type { CallContext } from '../types.ts';
import type { Access, Caller } from './access.ts';

/** No version of users and roles. */
export const neverAllowed = -1;

/** What is watched, and under which users and roles that was found to be allowed. */
export interface GuardedRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** `Access.version` at the last look. */
  allowedAt: number;
}

/**
 * Whether one stream's caller may watch: asked when a watch is created, and again with the first events after users or
 * roles have changed. What it proved to be at the last creation counts, though its token runs out meanwhile; not though its
 * user is deleted or gets another password.
 */
export class WatchGuard {
  readonly #access: Access;
  readonly #context: CallContext;
  #caller: Caller = { user: undefined, login: undefined };

  constructor(access: Access, context: CallContext) {
    this.#access = access;
    this.#context = context;
  }

  /** Why the watch may not be created, in the words of etcd's cancel reason; undefined: it may. */
  async refusal(range: {
    readonly key: Uint8Array;
    readonly rangeEnd: Uint8Array;
  }): Promise<string | undefined> {
    this.#access.askedAnew(this.#context);
    const refusal = await this.#access.watchRefusal(this.#context, { access: 'read', ...range });
    if (refusal !== undefined) return reasonOf(refusal);
    this.#caller = this.#access.caller(this.#context);
    return undefined;
  }

  /** Why it may not go on. Costs a comparison of numbers as long as nothing has changed. */
  stillRefusal(range: GuardedRange): string | undefined {
    const version = this.#access.version;
    if (version === range.allowedAt) return undefined;
    const refusal = this.#access.stillReads(this.#caller, range.key, range.rangeEnd);
    if (refusal !== undefined) return reasonOf(refusal);
    range.allowedAt = version;
    return undefined;
  }
}

const codeNames: ReadonlyMap<number, string> = new Map([
  [3, 'InvalidArgument'],
  [7, 'PermissionDenied'],
  [16, 'Unauthenticated'],
]);

function reasonOf({ code, message }: StatusError): string {
  return `rpc error: code = ${codeNames.get(code) ?? 'Unknown'} desc = ${message}`;
}
