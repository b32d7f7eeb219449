import { type Metric, Registry as PrometheusRegistry } from 'prom-client';
import type { MemberHandle, MemberStatus } from '../../member/types.ts';
import type { CertificateTime } from '../certificate-watch.ts';
import type { FrontEndFigures } from '../client-carrier.ts';
import type { Registry } from '../types.ts';
import { callFamilies } from './call-families.ts';
import { counter, type Family, gauge } from './family.ts';
import { frontEndFamilies } from './front-end-families.ts';
import { conclaveFamilies, etcdFamilies } from './member-families.ts';
import { ProcessMetrics } from './process-families.ts';

export interface MetricsSources {
  readonly member: MemberHandle;
  readonly registry: Registry;
  /** Streams that leases or sessions are bound to. */
  readonly holderStreams: () => number;
  readonly connections: () => { readonly grpc: number; readonly http: number; readonly refused: number };
  /** Brings up to date what is counted elsewhere. */
  readonly look: () => Promise<void>;
  readonly frontEnds: () => readonly FrontEndFigures[];
  readonly certificates: () => readonly CertificateTime[];
  readonly health: () => { readonly successes: number; readonly failures: number };
}

/** The metrics of one member, read where they are when somebody asks. */
export class Metrics implements Disposable {
  readonly families: readonly Family[];
  readonly #registry = new PrometheusRegistry();
  readonly #process = new ProcessMetrics();
  readonly #member: MemberHandle;
  readonly #look: () => Promise<void>;
  readonly #unsubscribe: () => void;
  #status: MemberStatus;
  #leader: number;
  #leaderChanges = 0;

  constructor(sources: MetricsSources) {
    const { member, registry, holderStreams, connections, health, look, frontEnds, certificates } = sources;
    this.#member = member;
    this.#look = look;
    this.#status = member.status();
    this.#leader = this.#status.raft.leader;
    this.#unsubscribe = member.onChange(({ raft }) => {
      if (raft.leader === 0 || raft.leader === this.#leader) return;
      this.#leader = raft.leader;
      this.#leaderChanges += 1;
    });
    const status = (): MemberStatus => this.#status;
    this.families = [
      ...etcdFamilies(status, () => this.#leaderChanges),
      counter(
        'etcd_server_health_success',
        'Times that /health, /livez or /readyz were answered well.',
        () => health().successes,
      ),
      counter('etcd_server_health_failures', 'Times that they were not.', () => health().failures),
      ...callFamilies(registry),
      ...conclaveFamilies(status, holderStreams),
      gauge('conclave_client_connections', 'Connections of clients that are open, by protocol.', () => [
        { labels: { protocol: 'grpc' }, value: connections().grpc },
        { labels: { protocol: 'http' }, value: connections().http },
      ]),
      counter(
        'conclave_client_connections_refused_total',
        'Connections of clients that were turned away.',
        () => connections().refused,
      ),
      gauge(
        'conclave_certificate_ttl_seconds',
        'Time until the certificate shown to that side expires; below zero, since it did.',
        () => certificates().map(({ side, leftMs }) => ({ labels: { side }, value: leftMs / 1000 })),
      ),
      ...frontEndFamilies(frontEnds),
      ...this.#process.families,
    ];
    for (const family of this.families) this.#registry.registerMetric(asMetric(family));
  }

  /** In Prometheus' text form, version 0.0.4. */
  async text(): Promise<string> {
    this.#status = this.#member.status();
    await Promise.all([this.#process.look(), this.#look()]);
    return this.#registry.metrics();
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#process[Symbol.dispose]();
  }
}

/** The registry takes whatever has a name and can be asked. */
function asMetric({ name, help, type, read }: Family): Metric {
  const get = async () => {
    const value = read();
    const values = typeof value === 'number' ? [{ value, labels: {} }] : (value ?? []);
    return { name, help, type, values, aggregator: 'sum' };
  };
  return { name, help, get } as unknown as Metric;
}
