import { scryptSync } from 'node:crypto';
import { scryptOptions } from '../key-derivation.ts';
import type { KeyDerivation, ScryptParameters } from '../types.ts';

/** In the turn in which it is asked for: for virtual time, where another thread's pace would change the order of things. */
export class ImmediateKeyDerivation implements KeyDerivation {
  async scrypt(password: Uint8Array, salt: Uint8Array, parameters: ScryptParameters): Promise<Uint8Array> {
    return scryptSync(password, salt, parameters.bytes, scryptOptions(parameters));
  }
}
