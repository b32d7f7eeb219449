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
  /** Where the files go. Default: the authority's own. */
  readonly folder?: string;
}

/** An authority in a folder of its own, which goes away with it. */
export class Authority implements Disposable {
  readonly folder: string;
  readonly authorityFile: string;
  readonly #keyFile: string;
  /** Of the last certificate with each common name. */
  readonly #serials = new Map<string, number>();
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
    const folder = options.folder ?? this.folder;
    const file = (ending: string): string => join(folder, `${commonName}${ending}`);
    const [keyFile, requestFile, certificateFile] = [file('-key.pem'), file('.csr'), file('.pem')];
    const names = options.subjectAltName ?? 'DNS:localhost,IP:127.0.0.1';
    run('req', ...newKey(keyFile), '-subj', `/CN=${commonName}`, '-out', requestFile);
    const extensions = file('.ext');
    writeFileSync(extensions, `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    const serial = String(this.#serial++);
    this.#serials.set(commonName, Number(serial));
    // openssl refuses dates in the past but by its whole `ca` command; none is left after no day at all.
    const days = options.expired === true ? '0' : '10';
    const by = ['-CA', this.authorityFile, '-CAkey', this.#keyFile, '-set_serial', serial, '-days', days];
    run('x509', '-req', '-in', requestFile, ...by, '-extfile', extensions, '-out', certificateFile);
    return { certificateFile, keyFile };
  }

  /** Writes, or writes anew, the list of what was revoked: the last certificate with each of these common names. */
  revoke(commonNames: readonly string[], { expired = false } = {}): string {
    const file = (name: string): string => join(this.folder, name);
    const entries = commonNames.map((name) => {
      const serial = (this.#serials.get(name) ?? 0).toString(16).toUpperCase();
      const padded = serial.padStart(serial.length + (serial.length % 2), '0');
      return `R\t491231235959Z\t200101000000Z\t${padded}\tunknown\t/CN=${name}\n`;
    });
    writeFileSync(file('index.txt'), entries.join(''));
    const settings = `database=${file('index.txt')}\ndefault_md=sha256\nunique_subject=no\n`;
    writeFileSync(file('lists.conf'), `[ca]\ndefault_ca=ours\n[ours]\n${settings}`);
    const until = expired ? ['-crl_lastupdate', '20200101000000Z', '-crl_nextupdate', '20200102000000Z'] : [];
    const by = ['-cert', this.authorityFile, '-keyfile', this.#keyFile, '-crldays', '10'];
    const list = file('revocations.pem');
    run('ca', '-gencrl', '-config', file('lists.conf'), ...by, ...until, '-out', list);
    return list;
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
