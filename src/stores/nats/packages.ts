/** The packages that speak NATS, loaded where they are needed. */
import { ConclaveError } from '../../errors/index.ts';

export function transport(): Promise<typeof import('@nats-io/transport-node')> {
  return needed('@nats-io/transport-node', () => import('@nats-io/transport-node'));
}

export function kvPackage(): Promise<typeof import('@nats-io/kv')> {
  return needed('@nats-io/kv', () => import('@nats-io/kv'));
}

async function needed<Package>(name: string, load: () => Promise<Package>): Promise<Package> {
  try {
    return await load();
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const message = `natsStore needs the package ${name}: npm install @nats-io/kv @nats-io/transport-node.`;
    throw new ConclaveError('unsupported', message, { cause: error });
  }
}
