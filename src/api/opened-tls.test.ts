import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Authority, certificatesMissing } from '../../test/certificates.ts';
import { openTls } from './opened-tls.ts';
import { silentLogger } from './types.ts';

test('a member that starts with an expired certificate says so, with the file', {
  skip: certificatesMissing,
}, async () => {
  using authority = new Authority();
  const [good, bad] = [authority.sign('good'), authority.sign('bad', { expired: true })];
  const warned: object[] = [];
  const logger = { ...silentLogger, warn: (...said: unknown[]) => void warned.push(said) };
  {
    using opened = await openTls({ clients: good, peers: bad }, logger);
    const [days, late] = opened.certificates().map(({ side, leftMs }) => [side, leftMs / (24 * 3600 * 1000)]);
    assert.ok(days?.[0] === 'clients' && Number(days[1]) > 9 && Number(days[1]) <= 10);
    assert.ok(late?.[0] === 'peers' && Number(late[1]) < 0);
  }
  const [[fields, text] = []] = warned as [object, string][];
  assert.equal(warned.length, 1);
  assert.deepEqual(fields, { side: 'peers', certificateFile: bad.certificateFile });
  assert.match(String(text), /has expired/);
});
