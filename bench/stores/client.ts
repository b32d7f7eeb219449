/** What is measured: ours on each store, and what users pick today, all behind the same few calls. */

/** Where a server is, in the terms of its clients; also sent to other processes. */
export interface Where {
  /** A URL, or `host:port` of each server separated by commas. */
  readonly url: string;
  /** Of the table, bucket or database, where one is needed. */
  readonly name?: string;
  /** URLs of single servers, where it matters to which one a client is connected. */
  readonly servers?: readonly string[];
}

export interface Held {
  /** Resolves when the client says that it has given up. */
  resign(): Promise<void>;
}

/** A client with connections of its own, as each process of a user's has. */
export interface Client extends AsyncDisposable {
  /** Where it knows. */
  readonly minTtlMs?: number | undefined;
  /** Who waits is not told of a change, and looks so often. */
  readonly pollsEveryMs?: number | undefined;
  /** Resolves when it leads. Again after it resigned; several elections at a time. */
  campaign(election: string, ttlMs: number): Promise<Held>;
  /** Leads once, by what a process does that comes and goes. Default: `campaign` and `resign`. */
  once?(election: string, ttlMs: number): Promise<Once>;
}

export interface Once {
  /** Until it led. */
  readonly ledMs: number;
  /** Until nothing of it was left. */
  readonly doneMs: number;
}

/** `holder`: different for each. */
export type OpenClient = (where: Where, holder: string) => Promise<Client>;

export async function leadOnce(client: Client, election: string, ttlMs: number): Promise<Once> {
  if (client.once !== undefined) return await client.once(election, ttlMs);
  const startMs = performance.now();
  const held = await client.campaign(election, ttlMs);
  const ledMs = performance.now() - startMs;
  await held.resign();
  return { ledMs, doneMs: performance.now() - startMs };
}
