// A server of the S3 API: moto, or whatever CONCLAVE_TEST_S3_URL names (with AWS_ACCESS_KEY_ID and so on), whose
// bucket CONCLAVE_TEST_S3_BUCKET must exist.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { peer } from '../peers.ts';
import { type ChildServer, startChildServer } from './child-server.ts';

export interface S3Server extends AsyncDisposable {
  readonly url: string;
  readonly bucket: string;
  /** undefined where it was not started by the test. */
  readonly process: ChildServer['process'] | undefined;
  /** A client of its own; `url` may be that of a proxy in front of the server. */
  client(url?: string): S3Client;
}

const url = process.env.CONCLAVE_TEST_S3_URL;

/** Why tests with it cannot run. */
export const s3Missing: string | undefined = url === undefined ? peer('moto_server').missing : undefined;

export async function startS3(): Promise<S3Server> {
  if (url !== undefined) {
    const bucket = process.env.CONCLAVE_TEST_S3_BUCKET ?? 'conclave-test';
    const client = (at = url) => connect(at, {});
    return { ...{ url, bucket, process: undefined, client }, async [Symbol.asyncDispose]() {} };
  }
  const server = await startChildServer({
    path: pythonOf(peer('moto_server').path ?? ''),
    args: (port) => [join(import.meta.dirname, 'moto_in_turn.py'), String(port)],
    probe: (port) => fetch(`http://127.0.0.1:${port}/moto-api/`),
  });
  const own = `http://127.0.0.1:${server.port}`;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = (at = own) => connect(at, { credentials });
  const bucket = 'conclave-test';
  const first = client();
  await first.send(new CreateBucketCommand({ Bucket: bucket }));
  first.destroy();
  return {
    ...{ url: own, bucket, process: server.process, client },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function connect(endpoint: string, more: object): S3Client {
  return new S3Client({
    endpoint,
    region: process.env.AWS_REGION ?? 'us-east-1',
    forcePathStyle: true,
    ...more,
  });
}

/** The Python that has this moto; the project's own comes first, since its version is known. */
export function pythonOf(program: string): string {
  const own = join(import.meta.dirname, '../../.peers/bin/python');
  const beside = join(dirname(program), 'python');
  return [own, beside].find((path) => existsSync(path)) ?? 'python3';
}
