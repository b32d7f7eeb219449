/** A login to NATS in a file as `nsc` makes it, or with the seed of a user's key. No message shows what it holds. */
import type { Authenticator } from '@nats-io/transport-node';
import { ConclaveError } from '../../errors/index.ts';
import type { Disk } from '../../runtime/types.ts';
import { transport } from './packages.ts';

interface Paths {
  readonly credsFile?: string | undefined;
  readonly nkeyFile?: string | undefined;
}

export class LoginFile {
  readonly #disk: Disk;
  readonly #paths: Paths;
  #login: Authenticator;

  private constructor(disk: Disk, paths: Paths, login: Authenticator) {
    this.#disk = disk;
    this.#paths = paths;
    this.#login = login;
  }

  /** @throws ConclaveError 'failed-precondition' for a file that cannot be read, or holds no login. */
  static async read(disk: Disk, paths: Paths): Promise<LoginFile> {
    return new LoginFile(disk, paths, await loginIn(disk, paths));
  }

  /** With what the file held when it was last read. */
  readonly authenticator: Authenticator = (nonce) => this.#login(nonce);

  /** Whoever renews logins replaces the file; what is no login, or half of one, changes nothing. */
  async readAgain(): Promise<void> {
    this.#login = await loginIn(this.#disk, this.#paths).catch(() => this.#login);
  }
}

async function loginIn(disk: Disk, { credsFile, nkeyFile }: Paths): Promise<Authenticator> {
  const path = credsFile ?? nkeyFile ?? '';
  const content = await disk.read(path).catch((error: unknown) => {
    const said = error instanceof Error ? error.message : String(error);
    const message = `The login to NATS cannot be read. ${said} It is named by ${credsFile === undefined ? 'nkeyFile, or NATS_NKEY' : 'credsFile, or NATS_CREDS'}.`;
    throw new ConclaveError('failed-precondition', message, { cause: error });
  });
  const { credsAuthenticator, nkeyAuthenticator } = await transport();
  const text = new TextDecoder().decode(content);
  if (credsFile !== undefined && /BEGIN NATS USER JWT[\s\S]*BEGIN USER NKEY SEED/.test(text)) {
    return credsAuthenticator(content);
  }
  const [seed] = (credsFile === undefined && /\bSU[A-Z2-7]{56}\b/.exec(text)) || [];
  if (seed !== undefined) return nkeyAuthenticator(new TextEncoder().encode(seed));
  const lacks =
    credsFile === undefined
      ? "no seed of a user's key, which begins with SU"
      : 'no JWT of a user with the seed of its key, as nsc writes them';
  throw new ConclaveError('failed-precondition', `The file ${path} holds ${lacks}.`);
}
