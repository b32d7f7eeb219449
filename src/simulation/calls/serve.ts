import { Api, type ApiOptions, holdersMoved } from '../../api/index.ts';
import { PortServer } from '../../embedded/port-server.ts';
import type { MemberHandle } from '../../member/types.ts';
import type { Address, Runtime } from '../../runtime/types.ts';
import { AcceptedPort } from './connection-port.ts';

/** No simulated machine is slow: who has not moved by then is paused or cut off, and would only make each stop longer. */
const holdersMoveWithinMs = 500;

export interface ServeCallsOptions extends ApiOptions {
  readonly runtime: Runtime;
  readonly address: Address;
  /** Ms that calls under way get to finish when the server closes. Default 1000. */
  readonly closeGraceMs?: number;
}

export interface CallServer {
  readonly address: Address;
  /**
   * Stops listening, lets bound holders move, ends streams with 'server stopped', lets other calls finish for
   * `closeGraceMs`. Idempotent, never rejects. First `member.prepareToStop()`, then this, then `member.stop()`.
   */
  close(): Promise<void>;
}

/**
 * Serves a member's API to clients with a `simulatedTransport`, as `serveApi` does over gRPC.
 *
 * @throws ConclaveError 'address-in-use', 'invalid-argument'.
 */
export async function serveCalls(member: MemberHandle, options: ServeCallsOptions): Promise<CallServer> {
  const { runtime } = options;
  const api = new Api(member, options);
  const servers = new Set<PortServer>();
  const listener = await runtime.network
    .listen(options.address, (connection) => {
      const { host, port } = connection.remote;
      const server = new PortServer(api.registry, new AcceptedPort(connection), runtime, `${host}:${port}`);
      servers.add(server);
      void server.ended.then(() => servers.delete(server));
    })
    .catch(async (error: unknown) => {
      await api[Symbol.asyncDispose]();
      throw error;
    });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await listener.close();
    await holdersMoved(member, api.holders, runtime, holdersMoveWithinMs);
    await Promise.all([...servers].map((server) => server.finish(options.closeGraceMs ?? 1000)));
    await api[Symbol.asyncDispose]();
  };
  return {
    address: listener.address,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
