import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { CertificateWatch } from './certificate-watch.ts';
import { silentLogger } from './types.ts';

const hour = 3600 * 1000;
const day = 24 * hour;
const startMs = Date.UTC(2026, 0, 1);

function setUp(validity: { fromMs: number; untilMs: number }) {
  const runtime = manualRuntime({ startWallMs: startMs });
  const told: string[] = [];
  const warn = (fields: object, text: string): void => {
    assert.deepEqual(fields, { side: 'clients', certificateFile: 'm1.pem' });
    told.push(text.split(/ (?:at|before) /)[0] ?? '');
  };
  const watch = new CertificateWatch(runtime, { ...silentLogger, warn });
  const held = { validity };
  const readAnew = watch.watch({
    side: 'clients',
    certificateFile: 'm1.pem',
    validity: () => held.validity,
  });
  return { runtime, told, watch, held, readAnew };
}

test('a certificate is warned of once a day in its last week and after it, also where nobody reads it anew', async () => {
  const { runtime, told, watch, held, readAnew } = setUp({ fromMs: startMs, untilMs: startMs + 9 * day });
  for (let hours = 0; hours < 11 * 24; hours++) await runtime.advance(hour);
  const soon = 'The certificate expires';
  const late = 'The certificate has expired';
  assert.deepEqual(told, [...Array(7).fill(soon), late, late]);
  assert.deepEqual(watch.times, [{ side: 'clients', leftMs: -2 * day }]);

  held.validity = { fromMs: startMs, untilMs: startMs + 99 * day };
  readAnew();
  await runtime.advance(3 * day);
  assert.equal(told.length, 9);
  assert.deepEqual(watch.times, [{ side: 'clients', leftMs: 85 * day }]);

  held.validity = { fromMs: startMs, untilMs: startMs };
  readAnew();
  readAnew();
  assert.equal(told.length, 11, 'each time that it is read');
  watch[Symbol.dispose]();
  await runtime.advance(3 * day);
  assert.equal(told.length, 11);
});

test('one that is not valid yet is warned of until it is', async () => {
  const { runtime, told } = setUp({ fromMs: startMs + 36 * hour, untilMs: startMs + 99 * day });
  for (let hours = 0; hours < 99; hours++) await runtime.advance(hour);
  assert.deepEqual(told, Array(2).fill('The certificate is not valid'));
});
