// A process that leads an election on PostgreSQL with a session that is bound to its connection, until it is killed.
import { Candidate } from '../../src/election/index.ts';
import { postgresStore } from '../../src/stores/postgres.ts';

const [url = '', election = ''] = process.argv.slice(2);
const store = postgresStore({ url });
const candidate = new Candidate(store, election, { ttlMs: 60_000, releaseOnDisconnect: true });
const { token } = await candidate.campaign();
process.send?.(token);
