import type { ConclaveClient } from '../../client/index.ts';
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  type DeepPartial,
  type RequestOp,
  type TxnResponse,
} from '../../wire/index.ts';
import { CommandFailure } from '../failure.ts';
import { printable } from './text.ts';

export interface Conditional {
  readonly key: Uint8Array;
  /** 0: there is no such key. */
  readonly ifRevision: number;
  readonly request: DeepPartial<RequestOp>['request'];
  readonly timeoutMs: number;
}

/** Does it if the key was last changed at that revision. @throws CommandFailure 'notThere' where it was not */
export async function ifAtRevision(client: ConclaveClient, conditional: Conditional): Promise<TxnResponse> {
  const { key, ifRevision, request, timeoutMs } = conditional;
  const isThere = {
    key,
    result: Compare_CompareResult.EQUAL,
    target: Compare_CompareTarget.MOD,
    targetUnion: { $case: 'modRevision', value: ifRevision },
  } as const;
  const look = { request: { $case: 'requestRange', value: { key, keysOnly: true } } } as const;
  const answer = await client.txn(
    { compare: [isThere], success: [{ ...(request && { request }) }], failure: [look] },
    { timeoutMs },
  );
  if (answer.succeeded) return answer;
  const found = answer.responses[0]?.response;
  const entry = found?.$case === 'responseRange' ? found.value.kvs[0] : undefined;
  const name = printable(key);
  let why = `The key ${name} is not there`;
  if (entry !== undefined) {
    why =
      ifRevision === 0
        ? `The key ${name} is there already, last changed at revision ${entry.modRevision}`
        : `The key ${name} was last changed at revision ${entry.modRevision}, not at ${ifRevision}`;
  }
  throw new CommandFailure('notThere', `${why}: nothing was changed.`);
}
