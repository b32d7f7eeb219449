// Kubernetes' API server as a child process, with what it keeps in etcd's API at the endpoints given. No other part of
// Kubernetes runs, so nothing schedules or collects; what clients store, list and watch is all there.
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { KubeConfig, KubernetesObjectApi, loadAllYaml } from '@kubernetes/client-node';
import { type ChildServer, startChildServer } from './child-server.ts';

/** Those who may ask: an administrator, and one who may do nothing that is not granted. */
const tokens = { administrator: 'token-of-administrator', worker: 'token-of-worker' } as const;

export interface KubeApiServerOptions {
  /** Of the program. */
  readonly path: string;
  /** Of etcd, `host:port` each. */
  readonly endpoints: readonly string[];
  /** How often it compacts what it keeps. Default 5 minutes, as its own. */
  readonly compactEveryMs?: number | undefined;
}

export class KubeApiServer implements AsyncDisposable {
  readonly #child: ChildServer;

  static async start(options: KubeApiServerOptions): Promise<KubeApiServer> {
    const args = (port: number, folder: string) => argumentsFor(options, port, folder);
    return new KubeApiServer(await startChildServer({ path: options.path, args, probe: isReady }));
  }

  private constructor(child: ChildServer) {
    this.#child = child;
  }

  kubeConfig(user: keyof typeof tokens = 'administrator'): KubeConfig {
    const config = new KubeConfig();
    config.loadFromClusterAndUser(
      { name: 'test', server: `https://127.0.0.1:${this.#child.port}`, skipTLSVerify: true },
      { name: user, token: tokens[user] },
    );
    return config;
  }

  /** A Role and its RoleBinding, in YAML, for the worker in place of whom the binding names. */
  async grant(yaml: string): Promise<void> {
    const objects = KubernetesObjectApi.makeApiClient(this.kubeConfig());
    const subjects = [{ kind: 'User', name: 'worker', apiGroup: 'rbac.authorization.k8s.io' }];
    for (const object of loadAllYaml(yaml)) {
      const metadata = { ...object.metadata, namespace: 'default' };
      await objects.create({ ...object, metadata, ...(object.kind === 'RoleBinding' && { subjects }) });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}

function argumentsFor(options: KubeApiServerOptions, port: number, folder: string): readonly string[] {
  const keyFile = join(folder, 'accounts.key');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs1', format: 'pem' }));
  const tokenFile = join(folder, 'tokens.csv');
  const users = [`${tokens.administrator},root,root,"system:masters"`, `${tokens.worker},worker,worker`];
  writeFileSync(tokenFile, `${users.join('\n')}\n`);
  const flags = {
    'etcd-servers': options.endpoints.map((endpoint) => `http://${endpoint}`).join(','),
    'etcd-compaction-interval': `${options.compactEveryMs ?? 300_000}ms`,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'secure-port': port,
    'cert-dir': join(folder, 'certificates'),
    'service-account-issuer': 'https://test',
    'service-account-key-file': keyFile,
    'service-account-signing-key-file': keyFile,
    'service-cluster-ip-range': '10.0.0.0/24',
    'token-auth-file': tokenFile,
    'authorization-mode': 'RBAC',
    // Nobody makes the accounts that it asks for, and nobody is to be told of its endpoint.
    'disable-admission-plugins': 'ServiceAccount',
    'endpoint-reconciler-type': 'none',
  };
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}

/** Throws until it is. */
async function isReady(port: number): Promise<void> {
  const options = { headers: { authorization: `Bearer ${tokens.administrator}` }, rejectUnauthorized: false };
  await new Promise<void>((resolve, reject) => {
    request(`https://127.0.0.1:${port}/readyz`, options, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`not ready: ${response.statusCode}`));
    })
      .on('error', reject)
      .end();
  });
}
