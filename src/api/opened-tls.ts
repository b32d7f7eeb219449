import { NodeNetwork, nodeRuntime, type Runtime, TlsIdentity, type TlsOptions } from '../runtime/index.ts';
import { type CertificateTime, CertificateWatch } from './certificate-watch.ts';
import { refusalLog } from './refusal-log.ts';
import type { Logger } from './types.ts';

/** Certificates from files, which are read again when they change. */
export type TlsFileOptions = Omit<TlsOptions, 'onReload'>;

export interface OpenedTls extends Disposable {
  /** For the client port. */
  readonly clients: TlsIdentity | undefined;
  /** This machine, with a network that has the certificates for the other members. */
  readonly runtime: Runtime;
  /** How long the certificates have left. */
  certificates(): readonly CertificateTime[];
}

/** Reads the certificates of both sides. Dispose of it. @throws ConclaveError 'invalid-argument' naming the file. */
export async function openTls(
  files: { readonly clients: TlsFileOptions | undefined; readonly peers: TlsFileOptions | undefined },
  logger: Logger,
): Promise<OpenedTls> {
  const machine = nodeRuntime();
  const watch = new CertificateWatch(machine, logger);
  const opened: TlsIdentity[] = [];
  const dispose = (): void => {
    for (const one of [watch, ...opened]) one[Symbol.dispose]();
  };
  const load = async (side: string, options: TlsFileOptions | undefined) => {
    if (options === undefined) return undefined;
    const identity = await loadWatched(side, options, { watch, logger });
    opened.push(identity);
    return identity;
  };
  try {
    const clients = await load('clients', files.clients);
    const peers = await load('peers', files.peers);
    const network = new NodeNetwork({ tls: peers, onRefused: refusalLog(logger, machine.clock) });
    return {
      clients,
      runtime: peers === undefined ? machine : { ...machine, network },
      certificates: () => watch.times,
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

async function loadWatched(
  side: string,
  options: TlsFileOptions,
  { watch, logger }: { watch: CertificateWatch; logger: Logger },
): Promise<TlsIdentity> {
  const { certificateFile } = options;
  let readAnew = (): void => {};
  const identity = await TlsIdentity.load({
    ...options,
    onReload: (error) => {
      if (error === undefined) {
        logger.info({ side, certificateFile }, 'New certificates are used from now on.');
        readAnew();
      } else
        logger.warn(
          { side, error: error.message },
          'Certificates changed and are of no use; those from before are used.',
        );
    },
  });
  readAnew = watch.watch({ side, certificateFile, validity: () => identity.validity });
  return identity;
}
