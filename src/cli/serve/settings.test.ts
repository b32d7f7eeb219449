import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { collectSettings, unknownVariables } from './settings.ts';

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
