import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { type Command, Option } from 'commander';
import type { TlsOptions } from '../client/index.ts';
import { CommandFailure } from './failure.ts';
import { readOwnPassword } from './users/password.ts';

interface Flags {
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly user?: string;
}

/** A process runs one command, and all connections that it makes to members are secured alike. */
let chosen: Flags = {};
let credentials: { readonly username: string; readonly password: string } | undefined;

/** Adds the flags, as etcdctl names them, that say how connections to members are secured. */
export function addSecurity(command: Command): void {
  const add = (flag: string, text: string, variable: string): void => {
    command.addOption(new Option(flag, text).env(variable));
  };
  add('--cacert <PATH>', "Authority that signed the members' certificates (PEM).", 'CONCLAVE_CACERT');
  add('--cert <PATH>', 'Certificate to show to members (PEM).', 'CONCLAVE_CERT');
  add('--key <PATH>', 'Key of --cert (PEM).', 'CONCLAVE_KEY');
  add(
    '--insecure-skip-tls-verify',
    'Talk to whoever answers, whatever its certificate: for trying things out.',
    'CONCLAVE_INSECURE_SKIP_TLS_VERIFY',
  );
  add(
    '--user <NAME[:PASSWORD]>',
    'Who you are, where the cluster asks. Without a password: it is asked for.',
    'CONCLAVE_USER',
  );
}

/** Takes what was given to `command` for all connections that this process makes. */
export async function chooseSecurity(command: Command): Promise<void> {
  const flags: Flags = command.opts();
  if ((flags.cert === undefined) !== (flags.key === undefined)) {
    throw new CommandFailure('usage', '--cert and --key are of use only together.');
  }
  chosen = flags;
  clientTls(); // Files of no use are told of now, not as members that cannot be reached.
  credentials = flags.user ? await credentialsOf(flags.user) : undefined;
}

/** For connections to members; empty where nobody was named. */
export function chosenCredentials(): { readonly username?: string; readonly password?: string } {
  return credentials ?? {};
}

async function credentialsOf(user: string): Promise<{ username: string; password: string }> {
  const colon = user.indexOf(':');
  const username = colon < 0 ? user : user.slice(0, colon);
  if (username === '') throw new CommandFailure('usage', '--user: give a name, or NAME:PASSWORD.');
  return { username, password: colon < 0 ? await readOwnPassword(username) : user.slice(colon + 1) };
}

/** Whether endpoints without a scheme are meant to be https://. */
export function isSecured(): boolean {
  return chosen.cacert !== undefined || chosen.cert !== undefined || chosen.insecureSkipTlsVerify === true;
}

/** For https:// endpoints. @throws CommandFailure where a file cannot be read, or certificate and key are no pair. */
export function clientTls(): TlsOptions | undefined {
  if (!isSecured()) return undefined;
  const { cacert, cert, key, insecureSkipTlsVerify } = chosen;
  const pair =
    cert !== undefined && key !== undefined
      ? { certificate: pemOf('--cert', cert), key: pemOf('--key', key) }
      : undefined;
  if (pair !== undefined) checkPair(pair);
  return {
    ...(cacert !== undefined && { certificateAuthority: pemOf('--cacert', cacert) }),
    ...pair,
    ...(insecureSkipTlsVerify === true && { insecureSkipVerify: true }),
  };
}

/** Here, where the flags are known: a connection would only tell of OpenSSL's trouble with them. */
function checkPair({ certificate, key }: { readonly certificate: Buffer; readonly key: Buffer }): void {
  try {
    createSecureContext({ cert: certificate, key });
  } catch (error) {
    const why = (error as Error).message;
    throw new CommandFailure('usage', `--cert and --key cannot be used together: ${why}.`, { cause: error });
  }
}

function pemOf(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CommandFailure('usage', `${flag}: ${(error as Error).message}.`, { cause: error });
  }
}
