/** The cluster's client as the store uses it: what is refused with etcd's own words says what to do about it. */
import type { ConclaveClient } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';

export type StoreClient = Pick<
  ConclaveClient,
  | 'range'
  | 'watch'
  | 'txn'
  | 'txnSequence'
  | 'deleteRange'
  | 'leaseGrant'
  | 'leaseRevoke'
  | 'renewLease'
  | 'attach'
>;

export function explainingClient(client: ConclaveClient, namespace: string): StoreClient {
  const fail = (error: unknown): never => {
    throw explained(error, namespace);
  };
  return {
    range: (request, options) => client.range(request, options).catch(fail),
    txn: (request, options) => client.txn(request, options).catch(fail),
    txnSequence: (requests, options) => client.txnSequence(requests, options).catch(fail),
    deleteRange: (key, options) => client.deleteRange(key, options).catch(fail),
    leaseGrant: (ttlMs, options) => client.leaseGrant(ttlMs, options).catch(fail),
    leaseRevoke: (lease, options) => client.leaseRevoke(lease, options).catch(fail),
    renewLease: (lease, options) => client.renewLease(lease, options).catch(fail),
    attach: (lease, options) => client.attach(lease, options).catch(fail),
    async *watch(request, options) {
      try {
        yield* client.watch(request, options);
      } catch (error) {
        fail(error);
      }
    },
  };
}

/** The same error, with its remedy. */
function explained(error: unknown, namespace: string): unknown {
  if (!ConclaveError.is(error)) return error;
  const [, remedy] = remedies(namespace).find(([text]) => error.message.includes(text)) ?? [];
  if (remedy === undefined) return error;
  const { code, retryable, outcome, details } = error;
  const message = `${error.message.replace(/\.$/, '')}: ${remedy}`;
  return new ConclaveError(code, message, { retryable, outcome, details, cause: error });
}

function remedies(namespace: string): readonly (readonly [string, string])[] {
  return [
    [
      'user name is empty',
      'the cluster asks for a login. Give username and password, or CONCLAVE_USER=NAME:PASSWORD, which openStore and the commands read.',
    ],
    [
      'permission denied',
      `grant a role of this user readwrite on the prefix ${namespace}/, which is the store's namespace.`,
    ],
    [
      'database space exceeded',
      'the quota is used up, or was (alarm NOSPACE). Delete what is not needed, then: conclave compact, conclave alarm disarm.',
    ],
  ];
}
