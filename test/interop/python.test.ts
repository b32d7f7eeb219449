// Debian's two Python clients: python3-etcd3 over gRPC, python3-etcd3gw over the JSON gateway. They are packages of
// Debian's own Python, whichever other is first on PATH.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { clientSuite } from './checks.ts';

const python = '/usr/bin/python3';

for (const module of ['etcd3', 'etcd3gw']) {
  clientSuite(
    `python3-${module}`,
    missing(module),
    async () => ({
      path: python,
      args: [join(import.meta.dirname, 'python', `try_${module}.py`)],
      environment: { PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'ignore' },
    }),
    { secured: module === 'etcd3' },
  );
}

function missing(module: string): string | undefined {
  if (existsSync(python) && existsSync(`/usr/lib/python3/dist-packages/${module}`)) return undefined;
  const why = `python3-${module} is not installed (Debian: apt-get install python3-${module})`;
  if (process.env.CONCLAVE_PEERS === 'required') throw new Error(`${why}, and CONCLAVE_PEERS=required`);
  return why;
}
