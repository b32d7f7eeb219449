// Servers of the DynamoDB API: npm's dynalite, and Amazon's own for one machine where Java is; or whatever
// CONCLAVE_TEST_DYNAMODB_URL names (https://dynamodb.eu-central-1.amazonaws.com, with AWS_REGION and so on).
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { createDynamodbTable } from '../../src/stores/dynamodb.ts';
import { peer } from '../peers.ts';
import { type ChildServer, startChildServer } from './child-server.ts';

export type DynamodbProgram = 'dynalite' | 'DynamoDB Local';

export interface DynamodbServer extends AsyncDisposable {
  readonly url: string;
  /** Made already. */
  readonly table: string;
  /** undefined where it was not started by the test. */
  readonly process: ChildServer['process'] | undefined;
  /** A client of its own; `endpoint` may be that of a proxy in front of the server. */
  client(config?: DynamoDBClientConfig): DynamoDBClient;
}

const url = process.env.CONCLAVE_TEST_DYNAMODB_URL;
const root = join(import.meta.dirname, '../..');
const jars = join(root, '.peers/dynamodb-local');

export const dynamodbPrograms: readonly DynamodbProgram[] = ['dynalite', 'DynamoDB Local'];

/** Why tests with it cannot run. */
export function dynamodbMissing(program: DynamodbProgram): string | undefined {
  if (program === 'dynalite' || url !== undefined) return undefined;
  const isThere = globSync(`${jars}/DynamoDBLocal-*.jar`).length > 0;
  return isThere
    ? peer('java').missing
    : 'DynamoDB Local is not in .peers (see test/servers/dynamodb-local.xml)';
}

/** `storage`: a folder where what it keeps outlives it. `at`: another port than any that is free. */
export async function startDynamodb(
  program: DynamodbProgram,
  { storage, at }: { readonly storage?: string; readonly at?: number } = {},
): Promise<DynamodbServer> {
  const table = 'conclave-test';
  if (url !== undefined) {
    const client = (config: DynamoDBClientConfig = {}) => new DynamoDBClient({ endpoint: url, ...config });
    await made(client(), table);
    return { url, table, process: undefined, client, async [Symbol.asyncDispose]() {} };
  }
  const server = await startChildServer({
    path: program === 'dynalite' ? process.execPath : (peer('java').path ?? ''),
    args: (port) => (program === 'dynalite' ? dynalite : dynamodbLocal)(at ?? port, storage),
    // Any answer will do.
    probe: (port) => fetch(`http://127.0.0.1:${at ?? port}/`),
  });
  const own = `http://127.0.0.1:${at ?? server.port}`;
  const local = { region: 'eu-central-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  const client = (config: DynamoDBClientConfig = {}) =>
    new DynamoDBClient({ ...local, endpoint: own, ...config });
  await made(client(), table);
  return {
    ...{ url: own, table, process: server.process, client },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function made(client: DynamoDBClient, table: string): Promise<void> {
  await createDynamodbTable(client, table);
  client.destroy();
}

function dynalite(port: number, storage?: string): readonly string[] {
  const program = join(root, 'node_modules/dynalite/cli.js');
  const kept = storage === undefined ? [] : ['--path', storage];
  return [program, '--host', '127.0.0.1', '--port', String(port), '--createTableMs', '0', ...kept];
}

function dynamodbLocal(port: number, storage?: string): readonly string[] {
  const classes = ['-cp', `${jars}/*`, 'com.amazonaws.services.dynamodbv2.local.main.ServerRunner'];
  const small = ['-Xmx256m', '-XX:TieredStopAtLevel=1', `-Dsqlite4java.library.path=${jars}`];
  const kept = storage === undefined ? ['-inMemory'] : ['-dbPath', storage];
  return [...small, ...classes, ...kept, '-disableTelemetry', '-port', String(port)];
}
