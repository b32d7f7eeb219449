import { timingSafeEqual } from 'node:crypto';
import type { Runtime, ScryptParameters } from '../../runtime/types.ts';
import { failure, invalidArgument } from '../status.ts';
import type { CallContext } from '../types.ts';
import { FairQueue } from './fair-queue.ts';

/** log2 of scrypt's cost unless `--bcrypt-cost` asks for another: 32 MiB and some 80 ms for each password. */
export const defaultCostLog2 = 15;
/** What a hash that somebody brings along may ask of us: 512 MiB, and this many times the work of one pass. */
const largestCostLog2 = 18;
const largestBlockSize = 16;
const largestParallelization = 8;
const keyBytes = 32;
const saltBytes = 16;

/**
 * Hashes in flight at once. They run on threads that the disk's work shares (Node has four): two leave the log the
 * others, and leave a core to the loop where there are few.
 */
const hashesAtOnce = 2;

interface ParsedHash {
  readonly parameters: ScryptParameters;
  readonly salt: Uint8Array;
  readonly key: Uint8Array;
}

/** Hashes and checks passwords with scrypt, a few at a time, those who wait taking turns by their hosts. */
export class Passwords {
  readonly #runtime: Runtime;
  readonly #parameters: ScryptParameters;
  readonly #queue = new FairQueue<string>(hashesAtOnce);

  constructor(runtime: Runtime, costLog2: number = defaultCostLog2) {
    this.#runtime = runtime;
    this.#parameters = { cost: 2 ** costLog2, blockSize: 8, parallelization: 1, bytes: keyBytes };
  }

  /** In the form `$scrypt$ln=15,r=8,p=1$salt$key`, both in base64 without padding. @throws StatusError */
  async hash(password: string, context: CallContext): Promise<string> {
    const salt = this.#runtime.random.bytes(saltBytes);
    const key = await this.#derive(password, salt, this.#parameters, context);
    const { cost, blockSize, parallelization } = this.#parameters;
    return `$scrypt$ln=${Math.log2(cost)},r=${blockSize},p=${parallelization}$${text(salt)}$${text(key)}`;
  }

  /**
   * Takes as long without a hash to compare with: it does not tell which users there are. `standIn`: the hash whose cost
   * is taken then, since those that there are may cost more or less than a new one. @throws StatusError
   */
  async matches(
    password: string,
    hash: string | undefined,
    context: CallContext,
    standIn?: string,
  ): Promise<boolean> {
    const parsed = hash === undefined ? undefined : parseHash(hash);
    if (parsed === undefined) {
      const parameters = (standIn && parseHash(standIn)?.parameters) || this.#parameters;
      await this.#derive(password, new Uint8Array(saltBytes), parameters, context);
      return false;
    }
    const key = await this.#derive(password, parsed.salt, parsed.parameters, context);
    return key.length === parsed.key.length && timingSafeEqual(key, parsed.key);
  }

  async #derive(
    password: string,
    salt: Uint8Array,
    parameters: ScryptParameters,
    context: CallContext,
  ): Promise<Uint8Array> {
    const work = (): Promise<Uint8Array> => {
      // Who no longer waits costs nothing.
      context.signal.throwIfAborted();
      return this.#runtime.keyDerivation.scrypt(new TextEncoder().encode(password), salt, parameters);
    };
    const done = await this.#queue.run(hostOf(context.connection.remote), work);
    if (done === undefined) throw failure('tooManyRequests');
    return done.result;
  }
}

/** A hash that a caller brings along, if we can check passwords against it. @throws StatusError */
export function acceptedHash(hash: string): string {
  if (parseHash(hash) !== undefined) return hash;
  throw invalidArgument(
    'conclave: this hashed password is of a form that cannot be checked here; ' +
      'give the password, or a hash of the form $scrypt$ln=..,r=..,p=..$salt$key',
  );
}

const form =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

function parseHash(hash: string): ParsedHash | undefined {
  const [, costLog2 = '', blockSize = '', parallelization = '', salt = '', key = ''] = form.exec(hash) ?? [];
  const [n, r, p] = [Number(costLog2), Number(blockSize), Number(parallelization)];
  if (!(n >= 1 && n <= largestCostLog2 && r >= 1 && r <= largestBlockSize)) return undefined;
  if (!(p >= 1 && p <= largestParallelization)) return undefined;
  const expected = Buffer.from(key, 'base64');
  const parameters = { cost: 2 ** n, blockSize: r, parallelization: p, bytes: expected.length };
  return { parameters, salt: Buffer.from(salt, 'base64'), key: expected };
}

/** Of `host:port`: connections cost one host nothing, and would each take a turn. */
function hostOf(remote: string): string {
  return remote.slice(0, remote.lastIndexOf(':'));
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '');
}
