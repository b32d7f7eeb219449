// Certificates for tests, made by openssl: authorities, and certificates that they sign.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peer } from './peers.ts';

const openssl = peer('openssl');

/** Why tests with certificates cannot run; undefined: they can. */
export const certificatesMissing = openssl.missing;

export interface CertificateFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface Signing {
  /** Default: the certificate's name, 127.0.0.1 and localhost. */
  readonly subjectAltName?: string;
  /** Default: for 10 days from now. */
  readonly expired?: boolean;
}

/** An authority in a folder of its own, which goes away with it. */
export class Authority implements Disposable {
  readonly folder: string;
  readonly authorityFile: string;
  readonly #keyFile: string;
  #serial = 1;

  constructor(name = 'Test authority') {
    this.folder = mkdtempSync(join(tmpdir(), 'conclave-certificates-'));
    this.authorityFile = join(this.folder, 'authority.pem');
    this.#keyFile = join(this.folder, 'authority-key.pem');
    run(
      'req',
      '-x509',
      ...newKey(this.#keyFile),
      '-days',
      '10',
      '-subj',
      `/CN=${name}`,
      '-out',
      this.authorityFile,
    );
  }

  /** Makes, or makes anew in the same files, a certificate with that common name. */
  sign(commonName: string, options: Signing = {}): CertificateFiles {
    const file = (ending: string): string => join(this.folder, `${commonName}${ending}`);
    const [keyFile, requestFile, certificateFile] = [file('-key.pem'), file('.csr'), file('.pem')];
    const names = options.subjectAltName ?? 'DNS:localhost,IP:127.0.0.1';
    run('req', ...newKey(keyFile), '-subj', `/CN=${commonName}`, '-out', requestFile);
    const extensions = file('.ext');
    writeFileSync(extensions, `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    const serial = String(this.#serial++);
    // openssl refuses dates in the past but by its whole `ca` command; none is left after no day at all.
    const days = options.expired === true ? '0' : '10';
    const by = ['-CA', this.authorityFile, '-CAkey', this.#keyFile, '-set_serial', serial, '-days', days];
    run('x509', '-req', '-in', requestFile, ...by, '-extfile', extensions, '-out', certificateFile);
    return { certificateFile, keyFile };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** As a client of ours takes them. */
export function pem({ certificateFile, keyFile }: CertificateFiles, authorityFile: string) {
  return {
    certificateAuthority: readFileSync(authorityFile),
    certificate: readFileSync(certificateFile),
    key: readFileSync(keyFile),
  };
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file];
}

function run(...args: string[]): void {
  execFileSync(openssl.path ?? 'openssl', args, { stdio: 'ignore' });
}
