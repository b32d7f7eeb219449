// An API server for Leases: the stand-in, or the cluster that the kubeconfig in CONCLAVE_TEST_KUBECONFIG names, in whose
// namespace tests make and delete Leases that begin with "conclave-test".
import { KubeConfig } from '@kubernetes/client-node';
import { KubernetesStandIn } from '../stand-ins/kubernetes.ts';

export interface KubernetesServer extends AsyncDisposable {
  readonly prefix: string;
  /** undefined where it is a real one. */
  readonly standIn: KubernetesStandIn | undefined;
  kubeConfig(): KubeConfig;
}

const file = process.env.CONCLAVE_TEST_KUBECONFIG;

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
  const standIn = await KubernetesStandIn.start();
  return {
    ...{ prefix, standIn, kubeConfig: () => configFor(standIn) },
    [Symbol.asyncDispose]: () => standIn[Symbol.asyncDispose](),
  };
}

export function configFor({ url, token }: { readonly url: string; readonly token: string }): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'test', server: url, skipTLSVerify: true },
    { name: 'tester', token },
  );
  return config;
}
