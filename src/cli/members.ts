import { openClient } from './wiring.ts';

export interface Target {
  /** In hexadecimal; empty where no member could say. */
  readonly id: string;
  /** Empty where no member could say. */
  readonly name: string;
  /** Empty where the member has not told one. */
  readonly endpoint: string;
  /** It has no vote. */
  readonly learner?: true;
}

/** By its name, where it has told one; else by what is known of it. */
export function calledOf({ name, endpoint, id }: Target): string {
  return [name, endpoint, id].find((text) => text !== '') ?? 'a member';
}

/** Why nobody can be asked at the endpoint of this one. */
export function whyNoEndpoint({ name }: Target): string {
  return name === ''
    ? 'it was added, and has not started since'
    : 'it has not told an address for clients (--advertise-client-urls)';
}

/** All members of the cluster that the endpoints belong to; the endpoints, where no member can say who they are. */
export async function findMembers(endpoints: readonly string[], timeoutMs: number): Promise<Target[]> {
  await using client = openClient(endpoints);
  try {
    // As one member knows them: who is missing must be told above all when no majority is left to agree on anything.
    const members = await client.memberList({ timeoutMs, serializable: true });
    const targets = members.map(({ ID, name, clientURLs, isLearner }) => ({
      ...{ id: ID.toString(16), name, endpoint: clientURLs[0] ?? '' },
      ...(isLearner && { learner: true as const }),
    }));
    return targets.sort((one, other) => (one.name < other.name ? -1 : 1));
  } catch {
    return endpoints.map((endpoint) => ({ id: '', name: '', endpoint }));
  }
}

/** Why the last attempt failed; the client says besides how long it tried. */
export function whyFailed(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
