import type { AuthOptions } from '../../api/index.ts';
import { CommandFailure } from '../failure.ts';
import { parseWholeNumber } from '../numbers.ts';
import type { Settings } from './settings.ts';

/** bcrypt's cost doubles with each step, and so does scrypt's: etcd's default of 10 is our default of 2^15. */
const costAtBcryptZero = 5;
const dearestBcryptCost = 13;

/** What the flags about users and passwords say. @throws CommandFailure */
export function resolveAuth(settings: Settings): AuthOptions {
  const kind = settings['auth-token'];
  if (kind !== undefined && kind.text !== 'simple') {
    const why = kind.text.startsWith('jwt')
      ? "tokens are signed with a key that the members make and share by themselves, so there is none to give: take 'simple'"
      : "the only kind is 'simple'";
    throw new CommandFailure('usage', `${kind.origin}: '${kind.text}' is not offered; ${why}.`);
  }
  const ttl = settings['auth-token-ttl'];
  const cost = settings['bcrypt-cost'];
  return {
    ...(ttl && { tokenTtlMs: parseWholeNumber(ttl.text, ttl.origin, 1, 10_000_000) * 1000 }),
    ...(cost && {
      passwordCostLog2: costAtBcryptZero + parseWholeNumber(cost.text, cost.origin, 4, dearestBcryptCost),
    }),
  };
}
