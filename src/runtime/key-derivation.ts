import { type ScryptOptions, scrypt } from 'node:crypto';
import type { KeyDerivation, ScryptParameters } from './types.ts';

/** As Node names them, with as much memory as they need. */
export function scryptOptions({ cost, blockSize, parallelization }: ScryptParameters): ScryptOptions {
  // OpenSSL counts some buffers on top of the table.
  const maxmem = 128 * blockSize * (cost + parallelization + 2) + 65_536;
  return { N: cost, r: blockSize, p: parallelization, maxmem };
}

/** On a thread of Node's pool, so that the loop goes on. */
export class NodeKeyDerivation implements KeyDerivation {
  scrypt(password: Uint8Array, salt: Uint8Array, parameters: ScryptParameters): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      scrypt(password, salt, parameters.bytes, scryptOptions(parameters), (error, key) => {
        if (error === null) resolve(key);
        else reject(error);
      });
    });
  }
}
