import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeRuntime } from '../../runtime/index.ts';
import { inBothForms } from '../front-ends/testing/both-forms.ts';
import { serveApi } from '../serve.ts';
import { TestingMember } from '../testing.ts';

const page = join(import.meta.dirname, '../../../docs/reference/metrics.md');

async function open(frontEnds = 0, leftMs = 0) {
  const member = new TestingMember(nodeRuntime());
  const local = { host: '127.0.0.1', port: 0 };
  const certificates = () => [{ side: 'peers', leftMs }];
  const server = await serveApi(member, { listen: local, closeGraceMs: 500, frontEnds, certificates });
  const url = `http://127.0.0.1:${server.address.port}`;
  return {
    ...{ member, server, url },
    scrape: async () => (await fetch(`${url}/metrics`)).text(),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

const seriesOf = (text: string, series: string): number | undefined => {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

inBothForms('what is served is what the page lists, with the same type and words', async (frontEnds) => {
  await using it = await open(frontEnds);
  const text = await it.scrape();
  const served = [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(([, name, help, type]) => [
    `\`${name}\``,
    type,
    help,
  ]);
  const listed = readFileSync(page, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.slice(2, -2).split(' | '));
  assert.deepEqual(served.toSorted(), listed.toSorted());
});

inBothForms('every line is Prometheus’ text form', async (frontEnds) => {
  await using it = await open(frontEnds);
  const response = await fetch(`${it.url}/metrics`);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  for (const line of (await response.text()).split('\n')) {
    if (line === '' || line.startsWith('# ')) continue;
    assert.match(line, /^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.eInf]+$/, line);
  }
});

inBothForms(
  'calls by gRPC’s names are counted with their status, those of the gateway too',
  async (frontEnds) => {
    await using it = await open(frontEnds);
    const post = (path: string, body: string) => fetch(it.url + path, { method: 'POST', body });
    await post('/v3/kv/put', '{"key":"YQ==","value":"YQ=="}');
    await post('/v3/kv/put', '{}');
    const text = await it.scrape();
    const put = 'grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Put"';
    assert.equal(seriesOf(text, `grpc_server_started_total{${put}}`), 2);
    assert.equal(seriesOf(text, `grpc_server_handled_total{${put},grpc_code="OK"}`), 1);
    assert.equal(seriesOf(text, `grpc_server_handled_total{${put},grpc_code="InvalidArgument"}`), 1);
  },
);

inBothForms('watches, connections and the state of the member show as they are', async (frontEnds) => {
  await using it = await open(frontEnds, -90_000);
  const leaving = new AbortController();
  const body = '{"create_request":{"key":"YQ=="}}';
  const watch = await fetch(`${it.url}/v3/watch`, { method: 'POST', body, signal: leaving.signal });
  await watch.body?.getReader().read();
  const text = await it.scrape();
  assert.equal(seriesOf(text, 'etcd_debugging_mvcc_watcher_total'), 1);
  assert.equal(seriesOf(text, 'etcd_debugging_mvcc_watch_stream_total'), 1);
  assert.equal(seriesOf(text, 'etcd_server_has_leader'), 1);
  assert.equal(seriesOf(text, 'conclave_raft_term'), 7);
  assert.equal(seriesOf(text, 'conclave_certificate_ttl_seconds{side="peers"}'), -90);
  assert.ok((seriesOf(text, 'conclave_client_connections{protocol="http"}') ?? 0) >= 1);
  assert.ok((seriesOf(text, 'process_resident_memory_bytes') ?? 0) > 1e6);
  leaving.abort();
});

test('an address for metrics serves them and health, and no store', async () => {
  const member = new TestingMember(nodeRuntime());
  const { listenSockets } = await import('../../runtime/sockets.ts');
  const free = await listenSockets({ host: '127.0.0.1', port: 0 }, (socket) => socket.destroy());
  const { port } = free.address;
  await free.close();
  const local = { host: '127.0.0.1', port: 0 };
  await using _server = await serveApi(member, {
    listen: local,
    metricsListen: [{ host: '127.0.0.1', port }],
  });
  const status = async (path: string, init?: RequestInit) =>
    (await fetch(`http://127.0.0.1:${port}${path}`, init)).status;
  assert.equal(await status('/metrics'), 200);
  assert.equal(await status('/health'), 200);
  assert.equal(await status('/v3/kv/range', { method: 'POST', body: '{"key":"YQ=="}' }), 404);
});

test('delays fall into the buckets that they belong to', async () => {
  const { RecentDelays } = await import('../../member/recent-delays.ts');
  const { histogram } = await import('./family.ts');
  const delays = new RecentDelays();
  for (const ms of [0.1, 0.15, 1, 1e6]) delays.record(ms);
  const samples = histogram('x', 'x', () => delays.distribution).read() as {
    labels?: { le: unknown };
    value: number;
  }[];
  const at = (le: unknown) => samples.find(({ labels }) => labels?.le === le)?.value;
  assert.deepEqual([at(0.0001), at(0.0002), at(0.0008), at(0.0016), at('+Inf')], [1, 2, 2, 3, 4]);
});
