import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionHint, plainReason } from './connection-hints.ts';

const secure = { secure: true, tlsHint: 'Something about TLS.' };
const alert =
  '404D300C847F0000:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:' +
  '../deps/openssl/openssl/ssl/record/rec_layer_s3.c:918:SSL alert number 116\n (2026-11-22T17:00:58.010Z)';

test("OpenSSL's reason is told without its sources, and gRPC's without the time", () => {
  assert.equal(plainReason(alert), 'tlsv13 alert certificate required');
  assert.equal(plainReason('Failed to connect (2026-11-22T17:01:07.160Z)'), 'Failed to connect');
  assert.equal(plainReason('connect ECONNREFUSED 127.0.0.1:9'), 'connect ECONNREFUSED 127.0.0.1:9');
});

test('each way in which TLS fails has its own remedy', () => {
  assert.match(connectionHint(alert, secure), /^ The member asks for a certificate .*--cert and --key\)\.$/);
  assert.match(connectionHint('self-signed certificate in certificate chain', secure), /--cacert/);
  assert.match(connectionHint('unable to verify the first certificate', secure), /--cacert/);
  assert.match(
    connectionHint("Hostname/IP does not match certificate's altnames: IP: 10.0.0.1 is not", secure),
    /subjectAltName/,
  );
  assert.match(connectionHint('certificate has expired', secure), /out of its time/);
  assert.match(connectionHint('0A00010B:SSL routines::wrong version number:', secure), /write http:\/\//);
  assert.equal(connectionHint('something new', secure), ' Something about TLS.');
});

test('where nobody listens, nothing is said of TLS', () => {
  assert.equal(connectionHint('connect ECONNREFUSED 127.0.0.1:9', secure), '');
});

test('without TLS, only one who hangs up is a sign that TLS is wanted', () => {
  const plain = { secure: false, tlsHint: '' };
  assert.match(connectionHint('Failed to connect (2026-11-22T17:01:07.160Z)', plain), /https:\/\//);
  assert.equal(connectionHint('connect ECONNREFUSED 127.0.0.1:9', plain), '');
});
