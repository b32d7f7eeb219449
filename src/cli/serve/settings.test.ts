import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { collectSettings, unknownVariables, variablesOfEtcd } from './settings.ts';

const file = (text: string) => ({ path: 'member.yaml', content: parse(text) as unknown });

test('a flag wins over its variable, and both over the file', () => {
  const settings = collectSettings({
    flags: { name: 'from-flag' },
    environment: { CONCLAVE_NAME: 'from-variable', CONCLAVE_DATA_DIR: '/variable', CONCLAVE_LOG_LEVEL: '' },
    file: file('name: from-file\ndata-dir: /file\nlog-level: debug\nheartbeat-interval: 50'),
  });
  assert.deepEqual(settings, {
    name: { text: 'from-flag', origin: '--name' },
    'data-dir': { text: '/variable', origin: 'CONCLAVE_DATA_DIR' },
    'log-level': { text: 'debug', origin: 'log-level in member.yaml' },
    'heartbeat-interval': { text: '50', origin: 'heartbeat-interval in member.yaml' },
  });
});

test('the file may have lists where flags have commas', () => {
  const text = 'listen-client-urls:\n  - http://127.0.0.1:1\n  - http://127.0.0.1:2';
  const settings = collectSettings({ flags: {}, environment: {}, file: file(text) });
  assert.equal(settings['listen-client-urls']?.text, 'http://127.0.0.1:1,http://127.0.0.1:2');
});

test('a file that is not what it should be is refused with its name', () => {
  const collect = (text: string) => () => collectSettings({ flags: {}, environment: {}, file: file(text) });
  assert.throws(collect('nme: m1'), /unknown key nme in member\.yaml/);
  assert.throws(collect('- name'), /must hold keys and values/);
  assert.throws(collect('name: {a: b}'), /name in member\.yaml: expected text/);
});

test("etcd's file is taken as it is: sections for TLS, values that are true or empty, and what is off", () => {
  const text = `
name: m1
wal-dir:
force-new-cluster: false
initial-corrupt-check: true
client-transport-security:
  cert-file: m1.pem
  client-cert-auth: true
  auto-tls: false
peer-transport-security:
  cert-file: peer.pem
  client-cert-auth: false
  allowed-cn: [a, b]
`;
  const settings = collectSettings({ flags: {}, environment: {}, file: file(text) });
  assert.deepEqual(Object.fromEntries(Object.entries(settings).map(([name, { text }]) => [name, text])), {
    name: 'm1',
    'initial-corrupt-check': 'true',
    'cert-file': 'm1.pem',
    'client-cert-auth': 'true',
    'peer-cert-file': 'peer.pem',
    'peer-client-cert-auth': 'false',
    'peer-cert-allowed-cn': 'a,b',
  });
});

test("what of etcd's file asks for something that is not there is refused with the reason", () => {
  const collect = (text: string) => () => collectSettings({ flags: {}, environment: {}, file: file(text) });
  assert.throws(collect('wal-dir: /wal'), /wal-dir in member\.yaml is a setting of etcd .*fixed here/);
  assert.throws(
    collect('client-transport-security: {auto-tls: true}'),
    /client-transport-security: auto-tls in member\.yaml is a setting of etcd .*nobody signed/,
  );
  assert.throws(
    collect('peer-transport-security: {certfile: x}'),
    /unknown key peer-transport-security: certfile in member\.yaml/,
  );
  assert.throws(
    collect('peer-transport-security: x'),
    /peer-transport-security in member\.yaml must hold keys/,
  );
});

test('an empty file holds no settings', () => {
  assert.deepEqual(collectSettings({ flags: {}, environment: {}, file: file('') }), {});
});

test('variables that look like ours and mean nothing are found', () => {
  const environment = {
    CONCLAVE_NAME: 'm1',
    CONCLAVE_NMAE: 'm1',
    CONCLAVE_ENDPOINTS: 'x',
    HOME: '/',
    CONCLAVE_CONFIG_FILE: '',
  };
  assert.deepEqual(unknownVariables(environment), ['CONCLAVE_NMAE']);
});

test("etcd's variables are found with ours, but for those that are set beside ours or are no flags", () => {
  const environment = {
    ETCD_NAME: 'm1',
    ETCD_DATA_DIR: '/d',
    CONCLAVE_DATA_DIR: '/d',
    ETCD_LOG_LEVEL: '',
    ETCD_SERVICE_HOST: '10.0.0.1',
    ETCDCTL_API: '3',
  };
  assert.deepEqual(variablesOfEtcd(environment), [['ETCD_NAME', 'CONCLAVE_NAME']]);
});
