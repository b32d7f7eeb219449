/** The SDK's commands, from the package that the user has installed for the client. */
import { ConclaveError } from '../../errors/index.ts';

type Sdk = typeof import('@aws-sdk/client-s3');
export type ObjectCommands = Pick<Sdk, 'GetObjectCommand' | 'PutObjectCommand'>;

/** Loaded when first used, so that importing this guard needs nothing. @throws 'unsupported' where it is missing. */
export async function commands(): Promise<ObjectCommands> {
  try {
    return await import('@aws-sdk/client-s3');
  } catch (cause) {
    const message = 'The package @aws-sdk/client-s3 is missing: npm install @aws-sdk/client-s3';
    throw new ConclaveError('unsupported', message, { cause });
  }
}
