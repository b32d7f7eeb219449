// Free ports that no two tests are given, in whichever process they run: between the choice and the use, and while a
// member is killed and not yet run again, nothing listens there that would tell another test that the port is taken.
import { createServer } from 'node:net';
import { freePorts as anyFreePorts } from '../src/cli/dev/ports.ts';

export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const [port = 0] = await anyFreePorts(1);
    if (await claimed(port)) found.push(port);
  }
  return found;
}

/** By a name in Linux's abstract namespace, which this process has until it ends, however it does. */
function claimed(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return Promise.resolve(true);
  return new Promise((resolve) => {
    const claim = createServer();
    claim.once('error', () => resolve(false));
    claim.listen(`\0conclave-test-port-${port}`, () => resolve(true));
    claim.unref();
  });
}
