import {
  NodeNetwork,
  nodeRuntime,
  outOfTime,
  type Runtime,
  TlsIdentity,
  type TlsOptions,
} from '../runtime/index.ts';
import { refusalLog } from './refusal-log.ts';
import type { Logger } from './types.ts';

/** Certificates from files, which are read again when they change. */
export type TlsFileOptions = Omit<TlsOptions, 'onReload'>;

export interface OpenedTls extends Disposable {
  /** For the client port. */
  readonly clients: TlsIdentity | undefined;
  /** This machine, with a network that has the certificates for the other members. */
  readonly runtime: Runtime;
}

/** Reads the certificates of both sides. Dispose of it. @throws ConclaveError 'invalid-argument' naming the file. */
export async function openTls(
  files: { readonly clients: TlsFileOptions | undefined; readonly peers: TlsFileOptions | undefined },
  logger: Logger,
): Promise<OpenedTls> {
  const machine = nodeRuntime();
  const load = async (
    side: string,
    options: TlsFileOptions | undefined,
  ): Promise<TlsIdentity | undefined> => {
    if (options === undefined) return undefined;
    const { certificateFile } = options;
    const tellOfTime = (identity: TlsIdentity) => {
      const warning = outOfTime(identity.validity, machine.clock.wallMs());
      if (warning !== undefined) logger.warn({ side, certificateFile }, warning);
    };
    const identity: TlsIdentity = await TlsIdentity.load({
      ...options,
      onReload: (error) => {
        if (error === undefined) {
          logger.info({ side, certificateFile }, 'New certificates are used from now on.');
          tellOfTime(identity);
        } else
          logger.warn(
            { side, error: error.message },
            'Certificates changed and are of no use; those from before are used.',
          );
      },
    });
    tellOfTime(identity);
    return identity;
  };
  const clients = await load('clients', files.clients);
  const peers = await load('peers', files.peers);
  const onRefused = refusalLog(logger, machine.clock);
  const network = new NodeNetwork({ tls: peers, onRefused });
  return {
    clients,
    runtime: peers === undefined ? machine : { ...machine, network },
    [Symbol.dispose]() {
      clients?.[Symbol.dispose]();
      peers?.[Symbol.dispose]();
    },
  };
}
