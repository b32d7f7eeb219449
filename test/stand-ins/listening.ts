import type { Server } from 'node:net';
import { onFreePort } from '../servers/server-process.ts';

/**
 * The port. Without one: one that is still free when the server comes back after it was away. Of those that the system
 * chooses, another server or a connection may have been given it meanwhile.
 */
export async function listen(server: Server, port = 0): Promise<number> {
  if (port === 0) return await onFreePort((free) => listen(server, free));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return port;
}
