/** Where the command line meets the client side of the other layers. */
import { type ConclaveClient, connectClient, type TlsOptions } from '../client/index.ts';
import { type LeaseStore, observe } from '../election/index.ts';
import { versionedFile } from '../fencing/index.ts';
import { conclaveStore } from '../stores/conclave.ts';
import { openStore as openStoreByUrl } from '../stores/urls.ts';
import type { MemberStateResponse } from '../wire/index.ts';
import type { WhereElectionsAre } from './client-options.ts';
import { chosenCredentials, clientTls } from './client-security.ts';

export function openClient(endpoints: readonly string[]): ConclaveClient {
  return connectClient({ endpoints, name: 'conclave-cli', ...secured() });
}

/** The cluster as a store of elections. */
export function openStore(endpoints: readonly string[]): LeaseStore {
  return conclaveStore({ endpoints, ...secured() });
}

function secured(): { tls?: TlsOptions; username?: string; password?: string } {
  const tls = clientTls();
  return { ...chosenCredentials(), ...(tls !== undefined && { tls }) };
}

/** The cluster, or the store of that URL, as a store of elections. */
export async function openElections({ endpoints, storeUrl }: WhereElectionsAre): Promise<LeaseStore> {
  return storeUrl === undefined ? openStore(endpoints) : await openStoreByUrl(storeUrl, process.env);
}

/** One member's state for as long as it can be reached there. */
export async function* followMember(
  endpoint: string,
  signal: AbortSignal,
): AsyncGenerator<MemberStateResponse, void, undefined> {
  await using client = openClient([endpoint]);
  yield* client.followMemberState(endpoint, { signal });
}

/** Who leads; holder undefined: nobody. The name is the metadata where there is one. */
export async function* watchElection(
  store: LeaseStore,
  election: string,
  signal: AbortSignal,
): AsyncGenerator<{ holder: string | undefined; token: number }, void, undefined> {
  for await (const leader of observe(store, election, { signal })) {
    yield { holder: leader?.metadata || leader?.holder, token: leader?.token ?? 0 };
  }
}

/** A text file whose versions are written one after the other, each with a token no lower than the last. */
export interface SharedFile {
  /** Version 0 and no content where nothing was written yet. */
  read(): Promise<{ version: number; token: number; content: string }>;
  /** @throws 'stale-token', 'version-conflict' */
  write(content: string, options: { token: number; expectedVersion: number }): Promise<void>;
}

export function openSharedFile(path: string): SharedFile {
  const file = versionedFile(path);
  return {
    async read() {
      const { version, token, data } = await file.read();
      return { version, token, content: Buffer.from(data).toString('utf8') };
    },
    async write(content, options) {
      // The bare token: nothing but the file itself stands between a stale write and the data.
      await file.write(Buffer.from(content, 'utf8'), options);
    },
  };
}
