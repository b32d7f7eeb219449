/**
 * The word of a leader that it gave up to one who waits, where anybody may speak on the service's stream of changes.
 *
 * Guarantees: nobody makes a proof that holds but the process whose key is in the document as the leader's, and the one
 * whose key stands there with the place that comes next. Both keys are public: who may read the documents learns nothing
 * to forge by. A proof tells of one step of one election, and so is of no use again.
 *
 * Must not: be kept. A process makes its keys when it opens its store, and they end with it.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import type { Random } from '../../runtime/types.ts';
import type { Led } from './driver.ts';

/** A leadership that was given up, and whom that made lead. */
export interface GivenUp {
  readonly name: string;
  readonly session: string;
  readonly token: number;
  readonly led: Led;
}

interface Foreseen {
  readonly key: string;
  readonly said: string;
  readonly proof: Buffer;
}

const derOfX25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const mostKept = 1000;

export class Proofs {
  /** 32 bytes as base64url. */
  readonly publicKey: string;
  readonly #privateKey: KeyObject;
  /** By public key: what we share with the process that has the private one. undefined: it is no key. */
  readonly #shared = new Map<string, Buffer | undefined>();
  /** By election: what may be said next, worked out while nobody waited for it. */
  readonly #foreseen = new Map<string, Foreseen>();

  constructor(random: Random) {
    const key = Buffer.concat([derOfX25519, random.bytes(32)]);
    this.#privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
    this.publicKey = createPublicKey(this.#privateKey).export({ format: 'jwk' }).x ?? '';
  }

  /** For the process with this key. undefined: there is none for what is no key. */
  prove(key: string | undefined, what: GivenUp): string | undefined {
    return this.#proof(key, what)?.toString('base64url');
  }

  /** `key`: of the leader that gave up. */
  holds(key: string | undefined, what: GivenUp): boolean {
    const expected = what.led.proof === undefined ? undefined : this.#proof(key, what);
    const given = Buffer.from(what.led.proof ?? '', 'base64url');
    return expected?.length === given.length && timingSafeEqual(expected, given);
  }

  /** Works the proof out now, so that it is there when it is made or looked at. */
  foresee(key: string | undefined, what: GivenUp): void {
    const proof = this.#proof(key, what);
    if (key === undefined || proof === undefined) return;
    keepLatest(this.#foreseen, what.name, { key, said: wordsOf(what), proof });
  }

  #proof(key: string | undefined, what: GivenUp): Buffer | undefined {
    if (key === undefined) return undefined;
    const said = wordsOf(what);
    const foreseen = this.#foreseen.get(what.name);
    if (foreseen?.key === key && foreseen.said === said) return foreseen.proof;
    const shared = this.#sharedWith(key);
    return shared && createHmac('sha256', shared).update(said).digest();
  }

  #sharedWith(key: string): Buffer | undefined {
    if (this.#shared.has(key)) return this.#shared.get(key);
    const shared = this.#agree(key);
    keepLatest(this.#shared, key, shared);
    return shared;
  }

  #agree(key: string): Buffer | undefined {
    try {
      const jwk = { kty: 'OKP', crv: 'X25519', x: key };
      const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
      return diffieHellman({ privateKey: this.#privateKey, publicKey });
    } catch {
      // Not 32 bytes, or a point that agrees with everybody.
      return undefined;
    }
  }
}

function wordsOf({ name, session, token, led }: GivenUp): string {
  return JSON.stringify(['conclave led', name, session, token, led.session, led.version]);
}

/** Whatever came first goes first. */
function keepLatest<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > mostKept && oldest !== undefined) map.delete(oldest);
}
