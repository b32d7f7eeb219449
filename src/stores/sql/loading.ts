/** Drivers are the user's to install: loaded when a store makes its own connections, and missed by name. */
import { ConclaveError } from '../../errors/index.ts';

/** undefined: the package is not installed. */
export async function loadIfInstalled<Module>(
  name: string,
  load: () => Promise<Module>,
): Promise<Module | undefined> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    if (code === 'ERR_MODULE_NOT_FOUND' && String(message).includes(`'${name}'`)) return undefined;
    throw error;
  }
}

export function notInstalled(names: readonly string[]): ConclaveError {
  const message = `The package ${names.join(' or ')} is not installed, which this store needs for a url: npm install ${names[0]}.`;
  return new ConclaveError('unsupported', message);
}

/** Its parts; what is wrong with it is told without it, since it may hold a password. @throws 'invalid-argument' */
export function checkUrl(url: unknown, schemes: readonly string[]): URL {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && schemes.includes(parsed.protocol.slice(0, -1))) return parsed;
  const message = `url must be one like ${schemes[0]}://user:password@host/database.`;
  throw new ConclaveError('invalid-argument', message);
}
