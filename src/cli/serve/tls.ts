import { refusalLog } from '../../api/index.ts';
import type { Logger } from '../../member/index.ts';
import { NodeNetwork, nodeRuntime, type Runtime, TlsIdentity, type TlsOptions } from '../../runtime/index.ts';
import type { ServeOptions } from './options.ts';

interface OpenedTls {
  /** For the client port. */
  readonly clientTls: TlsIdentity | undefined;
  /** This machine, with a network that has the certificates for the other members. */
  readonly runtime: Runtime;
  /** Stops looking for new files. */
  dispose(): void;
}

/** Reads the certificates of both sides. @throws ConclaveError 'invalid-argument' naming the file. */
export async function openTls(options: ServeOptions, logger: Logger): Promise<OpenedTls> {
  const load = async (side: string, tls: TlsOptions | undefined): Promise<TlsIdentity | undefined> => {
    if (tls === undefined) return undefined;
    const { certificateFile } = tls;
    return TlsIdentity.load({
      ...tls,
      onReload: (error) => {
        if (error === undefined)
          logger.info({ side, certificateFile }, 'New certificates are used from now on.');
        else logger.warn({ side, error: error.message }, 'Certificates changed and are of no use yet.');
      },
    });
  };
  const clientTls = await load('client', options.clientTls);
  const peerTls = await load('peer', options.peerTls);
  const machine = nodeRuntime();
  const onRefused = refusalLog(logger, machine.clock);
  const network = new NodeNetwork({ tls: peerTls, onRefused });
  return {
    clientTls,
    runtime: peerTls === undefined ? machine : { ...machine, network },
    dispose() {
      clientTls?.[Symbol.dispose]();
      peerTls?.[Symbol.dispose]();
    },
  };
}
