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
    using _opened = await openTls({ clients: good, peers: bad }, logger);
  }
  const [[fields, text] = []] = warned as [object, string][];
  assert.equal(warned.length, 1);
  assert.deepEqual(fields, { side: 'peers', certificateFile: bad.certificateFile });
  assert.match(String(text), /has expired/);
});
