/** Drivers are loaded when first used, so that the package runs with none of them present. */
import { ConclaveError } from '../errors/index.ts';

/** @throws 'unsupported' where the driver's package is missing. */
export async function loadDriver<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new ConclaveError('unsupported', `The package ${name} is missing: npm install ${name}`, { cause });
  }
}
