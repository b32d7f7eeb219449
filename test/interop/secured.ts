// What clients are tried on by TLS: a member of ours and one of real etcd, each with a certificate, asking for those of
// its clients, taking their common names for users, and refusing what was revoked.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority, certificatesMissing, pem } from '../certificates.ts';
import { Conclave } from '../integration/cli.ts';
import { EtcdCluster } from '../integration/etcd-cluster.ts';
import { peer } from '../peers.ts';
import { freePorts } from '../ports.ts';

const etcd = peer('etcd');

export interface SecuredSystem extends AsyncDisposable {
  /** `host:port`. */
  readonly endpoint: string;
  /**
   * With `authority.pem`, and NAME.pem and NAME-key.pem of `app` and `root`, whom it signed; of `revoked`, whom it
   * signed and took back; and of `stranger`, whom another authority signed.
   */
  readonly folder: string;
}

export interface SecuredKind {
  readonly name: string;
  /** Why it cannot be tried here. */
  readonly missing: string | undefined;
  start(): Promise<SecuredSystem>;
}

export const securedKinds: readonly SecuredKind[] = [
  { name: 'one member by TLS', missing: certificatesMissing, start: () => startConclave([]) },
  { name: 'etcd by TLS', missing: certificatesMissing ?? etcd.missing, start: startEtcd },
];

/** Whose connections threads of their own take. */
export const threadedKind: SecuredKind = {
  name: 'one member with front ends by TLS',
  missing: certificatesMissing,
  start: () => startConclave(['--front-ends=2']),
};

function certify(): { authority: Authority; flags: readonly string[] } {
  const authority = new Authority();
  using other = new Authority('Another authority');
  for (const name of ['app', 'root', 'revoked']) authority.sign(name);
  other.sign('stranger', { folder: authority.folder });
  const { certificateFile, keyFile } = authority.sign('server');
  const files = {
    'cert-file': certificateFile,
    'key-file': keyFile,
    'trusted-ca-file': authority.authorityFile,
    'client-crl-file': authority.revoke(['revoked']),
  };
  const flags = Object.entries(files).map(([flag, path]) => `--${flag}=${path}`);
  return { authority, flags: [...flags, '--client-cert-auth=true', '--bcrypt-cost=4'] };
}

async function startConclave(more: readonly string[]): Promise<SecuredSystem> {
  const { authority, flags } = certify();
  const data = mkdtempSync(join(tmpdir(), 'conclave-secured-'));
  const [clientPort, peerPort] = await freePorts(2);
  const endpoint = `127.0.0.1:${clientPort}`;
  const process = new Conclave([
    ...['serve', '--data-dir', join(data, 'm1'), '--listen-client-urls', `https://${endpoint}`],
    ...[
      '--advertise-client-urls',
      `https://${endpoint}`,
      '--listen-peer-urls',
      `http://127.0.0.1:${peerPort}`,
    ],
    ...flags,
    ...more,
  ]);
  await process.match('stderr', /ready to serve client requests/);
  return {
    endpoint,
    folder: authority.folder,
    async [Symbol.asyncDispose]() {
      await process[Symbol.asyncDispose]();
      authority[Symbol.dispose]();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

async function startEtcd(): Promise<SecuredSystem> {
  const { authority, flags } = certify();
  const identity = pem(
    {
      certificateFile: join(authority.folder, 'app.pem'),
      keyFile: join(authority.folder, 'app-key.pem'),
    },
    authority.authorityFile,
  );
  const cluster = await EtcdCluster.start(etcd.path ?? '', 1, flags, identity);
  return {
    endpoint: cluster.endpoints[0] ?? '',
    folder: authority.folder,
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]();
      authority[Symbol.dispose]();
    },
  };
}
