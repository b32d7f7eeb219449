import { X509Certificate } from 'node:crypto';
import * as net from 'node:net';
import * as tls from 'node:tls';
import type { ConclaveError } from '../errors/index.ts';
import type { Validity } from './certificate-time.ts';
import { readMaterial, stampOf, type TlsFiles, type TlsMaterial } from './tls-files.ts';

export interface TlsOptions extends TlsFiles {
  /** Who connects must show a certificate signed by an authority of `authorityFile`. Default: if that is given. */
  readonly requireCertificate?: boolean;
  /** Which user a client is may be told by the common name of its certificate. Default: where one is required. */
  readonly usersByCommonName?: boolean;
  /** Who connects must have one of these common names in its certificate. Default: any. */
  readonly allowedCommonNames?: readonly string[];
  /** Who connects must have a certificate for one of these hosts. Default: any. */
  readonly allowedHostnames?: readonly string[];
  /** OpenSSL's names with colons, those of TLS 1.2 and 1.3 together. Default: Node's. */
  readonly cipherSuites?: string;
  /** Default 'TLSv1.2', which is also the least. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Where changed files are looked for: so often. Default 5000. */
  readonly reloadEveryMs?: number;
  /**
   * Once for each change of the files: undefined where they are used from now on, or are again what is used; else why what
   * was used before still is.
   */
  readonly onReload?: (error: ConclaveError | undefined) => void;
}

const reloadEveryMs = 5000;

/**
 * One side's certificate and whom it trusts, for any number of listeners and connections. Files that change are read
 * again; connections that stand keep what they were made with.
 */
export class TlsIdentity implements Disposable {
  readonly #options: TlsOptions;
  readonly #servers = new Set<tls.Server>();
  #material: TlsMaterial;
  #stamp: string;
  /** The files as they are, and why they are of no use: told already. */
  #trouble: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @throws ConclaveError 'invalid-argument' naming the file that is missing, unreadable or of no use. */
  static async load(options: TlsOptions): Promise<TlsIdentity> {
    const stamp = await stampOf(options);
    return new TlsIdentity(options, await readMaterial(options), stamp);
  }

  private constructor(options: TlsOptions, material: TlsMaterial, stamp: string) {
    this.#options = options;
    this.#material = material;
    this.#stamp = stamp;
    this.#lookLater();
  }

  /** What another thread can load the same identity with. */
  get options(): Omit<TlsOptions, 'onReload'> {
    const { onReload: _, ...rest } = this.#options;
    return rest;
  }

  /** Whether who connects must show a certificate. */
  get requiresCertificate(): boolean {
    return this.#options.requireCertificate ?? this.#options.authorityFile !== undefined;
  }

  /** Whether the common name in the certificate of who connects counts as the name of a user. */
  get usersByCommonName(): boolean {
    return this.requiresCertificate && (this.#options.usersByCommonName ?? true);
  }

  /** Of our certificate. */
  get validity(): Validity {
    const { validFromDate, validToDate } = new X509Certificate(this.#material.cert);
    return { fromMs: validFromDate.getTime(), untilMs: validToDate.getTime() };
  }

  /** A TLS server of this identity, which takes new certificates as they come. Not listening yet. */
  createServer(options: tls.TlsOptions, onSocket: (socket: tls.TLSSocket) => void): tls.Server {
    const requestCert = this.requiresCertificate;
    const server = tls.createServer(
      { ...options, ...this.#context(), requestCert, rejectUnauthorized: requestCert },
      onSocket,
    );
    this.#servers.add(server);
    server.once('close', () => this.#servers.delete(server));
    return server;
  }

  /** Starts a handshake as a client, showing our certificate where the other side asks for one. */
  connect(options: tls.ConnectionOptions & { host: string; port: number }): tls.TLSSocket {
    const servername = net.isIP(options.host) === 0 ? { servername: options.host } : {};
    return tls.connect({ ...options, ...servername, ...this.#context() });
  }

  /** Why a connection whose certificate was verified is refused nevertheless; undefined: it is not. */
  refusal(socket: tls.TLSSocket): string | undefined {
    const { allowedCommonNames, allowedHostnames } = this.#options;
    if (allowedCommonNames === undefined && allowedHostnames === undefined) return undefined;
    const name = commonNameOf(socket);
    if (allowedCommonNames && !allowedCommonNames.includes(name ?? '')) {
      return `its certificate has the common name ${JSON.stringify(name ?? '')}, and allowed is ${allowedCommonNames.join(', ')}`;
    }
    const certificate = socket.getPeerX509Certificate();
    const matches = (host: string): boolean =>
      (net.isIP(host) === 0 ? certificate?.checkHost(host) : certificate?.checkIP(host)) !== undefined;
    if (allowedHostnames && !allowedHostnames.some(matches)) {
      return `its certificate is for none of ${allowedHostnames.join(', ')}`;
    }
    return undefined;
  }

  /** Stops looking for new files. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #context(): tls.SecureContextOptions {
    const { cipherSuites, minVersion } = this.#options;
    const { crl, ...material } = this.#material;
    return {
      ...material,
      ...(crl !== undefined && { crl: [...crl] }),
      minVersion: minVersion ?? 'TLSv1.2',
      ...(cipherSuites !== undefined && { ciphers: cipherSuites }),
    };
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => {
      void this.#look().then(() => {
        if (this.#timer !== undefined) this.#lookLater();
      });
    }, this.#options.reloadEveryMs ?? reloadEveryMs);
    this.#timer.unref();
  }

  /** Never rejects. Files that are being replaced may not fit each other yet: they are looked at again. */
  async #look(): Promise<void> {
    let stamp = '';
    try {
      stamp = await stampOf(this.#options);
      if (stamp === this.#stamp && this.#trouble === undefined) return;
      this.#material = await readMaterial(this.#options);
      this.#stamp = stamp;
      this.#trouble = undefined;
      for (const server of this.#servers) server.setSecureContext(this.#context());
      this.#options.onReload?.(undefined);
    } catch (error) {
      // Replaced while they were read: the next look tells what is wrong with those that are there now.
      if (stamp !== (await stampOf(this.#options).catch(() => ''))) return;
      const trouble = `${stamp} ${(error as ConclaveError).message}`;
      if (trouble === this.#trouble) return;
      this.#trouble = trouble;
      this.#options.onReload?.(error as ConclaveError);
    }
  }
}

/** Of a certificate that was verified; undefined where none was shown. */
export function commonNameOf(socket: tls.TLSSocket): string | undefined {
  if (!socket.authorized) return undefined;
  const name: string | string[] | undefined = socket.getPeerCertificate()?.subject?.CN;
  return Array.isArray(name) ? name[0] : name;
}
