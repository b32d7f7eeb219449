import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import * as tls from 'node:tls';
import { ConclaveError } from '../errors/index.ts';

export interface TlsFiles {
  /** PEM: this side's certificate, those of intermediate authorities after it. */
  readonly certificateFile: string;
  /** PEM, without a passphrase. */
  readonly keyFile: string;
  /** PEM of the authorities whose certificates are trusted. Default: for connections that we make, Node's own. */
  readonly authorityFile?: string | undefined;
  /**
   * PEM or DER: what the authorities have revoked. Needs `authorityFile`, and a list of each authority of a path: a
   * certificate whose authority has none, or one that is out of date, is refused.
   */
  readonly revocationFile?: string | undefined;
}

/** What the files hold, as Node takes it. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly crl?: readonly string[];
}

type What = 'certificate' | 'key' | 'authority' | 'revocation list';

function filesOf(options: TlsFiles): [what: What, path: string][] {
  const { certificateFile, keyFile, authorityFile, revocationFile } = options;
  const files: [What, string | undefined][] = [
    ['certificate', certificateFile],
    ['key', keyFile],
    ['authority', authorityFile],
    ['revocation list', revocationFile],
  ];
  return files.filter((file): file is [What, string] => file[1] !== undefined);
}

/** Changes with the files. Symbolic links are followed, as those are that Kubernetes swaps. */
export async function stampOf(options: TlsFiles): Promise<string> {
  const parts = await Promise.all(
    filesOf(options).map(async ([what, path]) => {
      try {
        const { mtimeMs, ctimeMs, ino, size } = await stat(path);
        return `${mtimeMs} ${ctimeMs} ${ino} ${size}`;
      } catch (error) {
        throw unreadable(what, path, error);
      }
    }),
  );
  return parts.join(';');
}

/** @throws ConclaveError 'invalid-argument' naming the file that is missing, unreadable or of no use. */
export async function readMaterial(options: TlsFiles): Promise<TlsMaterial> {
  const read = new Map<What, Buffer>();
  for (const [what, path] of filesOf(options)) {
    const data = await readFile(path).catch((error: unknown) => {
      throw unreadable(what, path, error);
    });
    read.set(what, data);
  }
  const [cert, key, ca] = [read.get('certificate'), read.get('key'), read.get('authority')];
  if (cert === undefined || key === undefined) throw new ConclaveError('internal', 'TLS without files.');
  check(`The certificate ${options.certificateFile} is none in PEM`, () => new X509Certificate(cert));
  if (ca !== undefined)
    check(`The authority ${options.authorityFile} is no certificate in PEM`, () => new X509Certificate(ca));
  const material = ca === undefined ? { cert, key } : { cert, key, ca };
  check(
    `The certificate ${options.certificateFile} and the key ${options.keyFile} cannot be used together`,
    () => tls.createSecureContext(material),
  );
  const revocations = read.get('revocation list');
  if (revocations === undefined) return material;
  const crl = revocationLists(revocations);
  check(`The revocation list ${options.revocationFile} is none in PEM or DER`, () =>
    tls.createSecureContext({ crl }),
  );
  return { ...material, crl };
}

/** Each list as PEM of its own: OpenSSL reads one of a text. */
function revocationLists(data: Buffer): string[] {
  const lists = data.toString('latin1').match(/-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g);
  if (lists !== null) return [...lists];
  const lines = data.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`];
}

function check(what: string, attempt: () => unknown): void {
  try {
    attempt();
  } catch (error) {
    throw new ConclaveError('invalid-argument', `${what}: ${(error as Error).message}.`, { cause: error });
  }
}

function unreadable(what: string, path: string, error: unknown): ConclaveError {
  return new ConclaveError(
    'invalid-argument',
    `The TLS ${what} ${path} cannot be read: ${(error as Error).message}.`,
    { cause: error },
  );
}
