/** The table: how it is made, and whether one that is there will do. */
import type { DynamoDBClient, TableDescription } from '@aws-sdk/client-dynamodb';
import { ConclaveError } from '../../errors/index.ts';
import { awsError, describeFailure } from '../amazon.ts';
import { loadDriver } from '../driver-package.ts';

// Its type is named, or the declarations would repeat the whole SDK.
export const loadDynamodb = (): Promise<typeof import('@aws-sdk/client-dynamodb')> =>
  loadDriver('@aws-sdk/client-dynamodb', () => import('@aws-sdk/client-dynamodb'));

/**
 * Makes the table, paid by request, and waits until it can be used; one that is there stays as it is (false). Needs
 * dynamodb:CreateTable, dynamodb:DescribeTable and dynamodb:UpdateTimeToLive.
 * @throws 'failed-precondition', 'unavailable', 'timeout', 'unsupported' (the driver is missing)
 */
export async function createDynamodbTable(client: DynamoDBClient, table = 'conclave'): Promise<boolean> {
  const TableName = checkTableName(table);
  const sdk = await loadDynamodb();
  const create = new sdk.CreateTableCommand({
    ...{ TableName, BillingMode: 'PAY_PER_REQUEST' },
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
  });
  const expiry = new sdk.UpdateTimeToLiveCommand({
    TableName,
    TimeToLiveSpecification: { AttributeName: 'expires', Enabled: true },
  });
  try {
    const made = await client.send(create).catch(except('ResourceInUseException'));
    await sdk.waitUntilTableExists({ client, maxWaitTime: 120, minDelay: 1, maxDelay: 5 }, { TableName });
    // It is on already, or this server does not know it: then nothing is tidied up.
    await client.send(expiry).catch(except('ValidationException', 'UnknownOperationException'));
    return made !== undefined;
  } catch (error) {
    throw awsError(error, {
      what: `Making DynamoDB table ${table}`,
      changes: true,
      signal: new AbortController().signal,
      permissions: 'dynamodb:CreateTable, dynamodb:DescribeTable and dynamodb:UpdateTimeToLive',
    });
  }
}

/** @throws 'failed-precondition', or 'unavailable' while it is being made. */
export function checkTable(table: string, description: TableDescription | undefined): void {
  const {
    TableStatus,
    KeySchema = [],
    AttributeDefinitions = [],
    Replicas = [],
    GlobalTableVersion,
    MultiRegionConsistency,
  } = description ?? {};
  const where = `DynamoDB table ${table}`;
  if (TableStatus === 'CREATING') {
    throw new ConclaveError('unavailable', `${where} is still being made.`, { retryable: true });
  }
  const type = AttributeDefinitions.find(({ AttributeName }) => AttributeName === 'id')?.AttributeType;
  if (KeySchema[0]?.AttributeName !== 'id' || KeySchema.length > 1 || type !== 'S') {
    const message = `${where} must have the text "id" as its only key: use a table made for Conclave. ${howToMake(table)}`;
    throw new ConclaveError('failed-precondition', message);
  }
  const isGlobal = Replicas.length > 0 || GlobalTableVersion === '2017.11.29';
  if (isGlobal && MultiRegionConsistency !== 'STRONG') {
    const message = `${where} is a global table whose regions agree only later: the last writer wins there, so two could lead. Use a table of one region, or one with multi-Region strong consistency.`;
    throw new ConclaveError('failed-precondition', message);
  }
}

export function howToMake(table: string): string {
  return `Make one with conclave migrate, createDynamodbTable(client, '${table}') or: ${dynamodbCommands(table)[0]}`;
}

/** By hand: the table, and the expiry of what is left over. */
export function dynamodbCommands(table: string): readonly string[] {
  const name = checkTableName(table);
  return [
    `aws dynamodb create-table --table-name ${name} --attribute-definitions AttributeName=id,AttributeType=S --key-schema AttributeName=id,KeyType=HASH --billing-mode PAY_PER_REQUEST`,
    `aws dynamodb update-time-to-live --table-name ${name} --time-to-live-specification Enabled=true,AttributeName=expires`,
  ];
}

/** A table's name, or its ARN. @throws 'invalid-argument' */
export function checkTableName(table: string): string {
  const isName = typeof table === 'string' && /^([\w.-]{3,255}|arn:[\w:/.-]{1,1000})$/.test(table);
  if (isName) return table;
  throw new ConclaveError(
    'invalid-argument',
    `table must be the name of a table (3 to 255 letters, digits, ".", "_", "-"), not ${JSON.stringify(table)}.`,
  );
}

function except(...names: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!names.includes(describeFailure(error).name)) throw error;
    return undefined;
  };
}
