/**
 * Statements that PostgreSQL keeps prepared on connections of the store's own, so that it does not parse and plan them
 * each time.
 *
 * Guarantees: only on connections that lead straight to a server's process. A pooler between (PgBouncer in transaction
 * mode) may run each statement on another process, which has not heard of the name. The number of the process that a
 * client is told when it connects is then one of the pooler's own making. Names come from the text, so a name never
 * stands for another statement, whoever shares the process.
 *
 * Must not: be used on connections of a user's own pool, which may forget all that was prepared (DISCARD ALL).
 */
import { createHash } from 'node:crypto';
import { errorFields } from './failures.ts';

/** What is used of a client of `pg`. */
export interface PreparingClient {
  readonly processID?: number | null;
  query(query: { text: string; values: unknown[]; rowMode: 'array' }): Promise<{ rows: unknown[][] }>;
}

/**
 * Whether we are told of the process that we were told of when we connected; only then it is ours, to set up. A plan that
 * is kept may be made while the table is small, when reading all of it is cheapest: all statements that are prepared look
 * rows up by their key.
 */
const look = `SELECT pg_backend_pid()::text,
CASE WHEN pg_backend_pid()::text = $1 THEN set_config('enable_seqscan', 'off', false) END`;
/** No such statement; one of that name already; made for columns of other types. Nothing was done. */
const misunderstandings: readonly unknown[] = ['26000', '42P05', '0A000'];
const names = new Map<string, string>();

export class PreparedStatements {
  readonly #direct = new WeakMap<PreparingClient, boolean>();
  #isOff = false;

  /** The name to run a statement by on this connection; undefined: by none. Never rejects. */
  async nameOn(client: PreparingClient, text: string): Promise<string | undefined> {
    if (this.#isOff) return undefined;
    let direct = this.#direct.get(client);
    if (direct === undefined) {
      direct = await isDirect(client);
      this.#direct.set(client, direct);
    }
    return direct ? nameOf(text) : undefined;
  }

  /** Whether what failed was the name, so that the statement may be run without; then none is used any more. */
  wasName(error: unknown): boolean {
    if (!misunderstandings.includes(errorFields(error).code)) return false;
    this.#isOff = true;
    return true;
  }
}

async function isDirect(client: PreparingClient): Promise<boolean> {
  const { processID } = client;
  if (processID === undefined || processID === null) return false;
  try {
    const { rows } = await client.query({ text: look, values: [String(processID)], rowMode: 'array' });
    return rows[0]?.[0] === String(processID);
  } catch {
    // A relative that knows no such setting; or the connection broke, which the statement itself will tell.
    return false;
  }
}

function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `conclave_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
    names.set(text, name);
  }
  return name;
}
