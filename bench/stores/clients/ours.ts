/** Conclave's candidate on each of its stores, at default settings. */
import { Candidate, type LeaseStore } from '../../../src/election/index.ts';
import type { Client, Held, Once, OpenClient, Where } from '../client.ts';

const region = 'eu-central-1';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

let inMemory: LeaseStore | undefined;

const openStore = {
  async cassandra({ url, name = '' }: Where): Promise<LeaseStore> {
    const { Client } = (await import('cassandra-driver')).default;
    const client = new Client({
      contactPoints: [url],
      protocolOptions: { port: Number(url.split(':')[1]) },
      localDataCenter: name,
      credentials: { username: 'cassandra', password: 'cassandra' },
    });
    await client.connect();
    return (await import('../../../src/stores/cassandra.ts')).cassandraStore({ client });
  },
  async conclave({ url }: Where): Promise<LeaseStore> {
    return (await import('../../../src/stores/conclave.ts')).conclaveStore({ endpoints: url.split(',') });
  },
  async dynamodb({ url, name }: Where): Promise<LeaseStore> {
    const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb');
    const client = new DynamoDBClient({ region, credentials, endpoint: url });
    return (await import('../../../src/stores/dynamodb.ts')).dynamodbStore({ client, table: name });
  },
  async etcd({ url }: Where): Promise<LeaseStore> {
    return (await import('../../../src/stores/etcd.ts')).etcdStore({ endpoints: url });
  },
  /** One for all clients of the process. */
  async memory(): Promise<LeaseStore> {
    inMemory ??= (await import('../../../src/stores/memory.ts')).memoryStore();
    return inMemory;
  },
  async mongodb({ url, name }: Where): Promise<LeaseStore> {
    return (await import('../../../src/stores/mongodb.ts')).mongodbStore({ url, database: name });
  },
  async mysql({ url }: Where): Promise<LeaseStore> {
    return (await import('../../../src/stores/mysql.ts')).mysqlStore({ url });
  },
  async nats({ url }: Where): Promise<LeaseStore> {
    return (await import('../../../src/stores/nats.ts')).natsStore({ url });
  },
  async postgres({ url }: Where): Promise<LeaseStore> {
    return (await import('../../../src/stores/postgres.ts')).postgresStore({ url });
  },
  async redis({ url }: Where): Promise<LeaseStore> {
    return (await import('../../../src/stores/redis.ts')).redisStore({ url });
  },
  async s3({ url, name = '' }: Where): Promise<LeaseStore> {
    const { S3Client } = await import('@aws-sdk/client-s3');
    const client = new S3Client({ region: 'us-east-1', credentials, endpoint: url, forcePathStyle: true });
    return (await import('../../../src/stores/s3.ts')).s3Store({ client, bucket: name });
  },
  async zookeeper({ url }: Where): Promise<LeaseStore> {
    return (await import('../../../src/stores/zookeeper.ts')).zookeeperStore({ servers: url });
  },
} as const;

export type OurStore = keyof typeof openStore;

export function ours(store: OurStore, isBound: boolean): OpenClient {
  return async (where, holder) => new OurClient(await openStore[store](where), holder, isBound);
}

class OurClient implements Client {
  readonly minTtlMs: number;
  readonly pollsEveryMs: number | undefined;
  readonly #store: LeaseStore;
  readonly #holder: string;
  readonly #isBound: boolean;
  readonly #candidates = new Map<string, Candidate>();

  constructor(store: LeaseStore, holder: string, isBound: boolean) {
    this.#store = store;
    this.#isBound = isBound;
    this.#holder = holder;
    const { minTtlMs, pollRequestsPerMinute } = store.capabilities;
    this.minTtlMs = minTtlMs;
    this.pollsEveryMs = pollRequestsPerMinute && (2 * 60_000) / pollRequestsPerMinute;
  }

  async campaign(election: string, ttlMs: number): Promise<Held> {
    let candidate = this.#candidates.get(election);
    if (candidate === undefined) {
      candidate = this.#candidate(election, ttlMs);
      this.#candidates.set(election, candidate);
    }
    const leadership = await candidate.campaign();
    return { resign: () => leadership.resign() };
  }

  /** With a session of its own. */
  async once(election: string, ttlMs: number): Promise<Once> {
    const startMs = performance.now();
    const candidate = this.#candidate(election, ttlMs);
    const leadership = await candidate.campaign();
    const ledMs = performance.now() - startMs;
    await leadership.resign();
    await candidate[Symbol.asyncDispose]();
    return { ledMs, doneMs: performance.now() - startMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const candidate of this.#candidates.values()) await candidate[Symbol.asyncDispose]();
    await this.#store[Symbol.asyncDispose]();
  }

  #candidate(election: string, ttlMs: number): Candidate {
    const isAdvisory = this.#store.capabilities.consistency === 'advisory';
    return new Candidate(this.#store, election, {
      ttlMs,
      holder: this.#holder,
      releaseOnDisconnect: this.#isBound,
      ...(isAdvisory && { acceptAdvisory: 'a benchmark' }),
    });
  }
}
