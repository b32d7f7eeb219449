// An API server for Leases: Kubernetes' own where .ci/go-servers has built it, on a member of ours in place of etcd; or the
// cluster that the kubeconfig in CONCLAVE_TEST_KUBECONFIG names, in whose namespace tests make and delete Leases that
// begin with "conclave-test"; or else the stand-in.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AuthorizationV1Api, KubeConfig } from '@kubernetes/client-node';
import { optionalPeer } from '../peers.ts';
import { KubernetesStandIn } from '../stand-ins/kubernetes.ts';
import { KubeApiServer } from './kube-apiserver.ts';
import { serveOneMember } from './one-member.ts';

export interface KubernetesServer extends AsyncDisposable {
  readonly prefix: string;
  /** undefined where it is a real one. */
  readonly standIn: KubernetesStandIn | undefined;
  kubeConfig(): KubeConfig;
}

const file = process.env.CONCLAVE_TEST_KUBECONFIG;
const program = optionalPeer('kube-apiserver').path;

/** What tests run against, for their names. */
export const kubernetesName =
  file !== undefined || program !== undefined ? 'Kubernetes' : 'the stand-in for Kubernetes';

export async function startKubernetes(): Promise<KubernetesServer> {
  const prefix = `conclave-test-${process.pid}`;
  if (file !== undefined) {
    const kubeConfig = () => {
      const config = new KubeConfig();
      config.loadFromFile(file);
      return config;
    };
    return { prefix, standIn: undefined, kubeConfig, async [Symbol.asyncDispose]() {} };
  }
  if (program !== undefined) return await startApiServer(program, prefix);
  const standIn = await KubernetesStandIn.start();
  return {
    ...{ prefix, standIn, kubeConfig: () => configFor(standIn) },
    [Symbol.asyncDispose]: () => standIn[Symbol.asyncDispose](),
  };
}

async function startApiServer(path: string, prefix: string): Promise<KubernetesServer> {
  const member = await serveOneMember();
  try {
    const server = await KubeApiServer.start({ path, endpoints: [member.endpoints] });
    // What the guide tells administrators to grant must be enough.
    const guide = await readFile(join(import.meta.dirname, '../../docs/stores/kubernetes.md'), 'utf8');
    await server.grant(/```yaml\n(.*?)```/s.exec(guide)?.[1] ?? '');
    await grantCounts(server.kubeConfig('worker'));
    return {
      ...{ prefix, standIn: undefined, kubeConfig: () => server.kubeConfig('worker') },
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await member[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await member[Symbol.asyncDispose]();
    throw error;
  }
}

/** The server hears of what it granted by a watch of its own. */
async function grantCounts(worker: KubeConfig): Promise<void> {
  const api = worker.makeApiClient(AuthorizationV1Api);
  const what = { namespace: 'default', group: 'coordination.k8s.io', resource: 'leases', verb: 'list' };
  for (;;) {
    const review = { body: { spec: { resourceAttributes: what } } };
    if ((await api.createSelfSubjectAccessReview(review)).status?.allowed) return;
    await sleep(20);
  }
}

export function configFor({ url, token }: { readonly url: string; readonly token: string }): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'test', server: url, skipTLSVerify: true },
    { name: 'tester', token },
  );
  return config;
}
