/**
 * Load over HTTP/2 by Node alone, where h2load is not installed: `connections` connections with `inFlight` unary
 * calls each, one prepared request. Run as a process of its own, so that it does not share a loop with anything.
 */
import { connect } from 'node:http2';

const [url, path, bodyBase64, connections, inFlight, count] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const body = Buffer.from(bodyBase64, 'base64');
const total = Number(count);
let started = 0;
let finished = 0;
let failed = 0;
const startMs = performance.now();

function done(): void {
  const seconds = (performance.now() - startMs) / 1000;
  process.stdout.write(`${JSON.stringify({ perSecond: finished / seconds, failed })}\n`);
  process.exit(0);
}

for (let connection = 0; connection < Number(connections); connection++) {
  const session = connect(url);
  const next = () => {
    if (started >= total) return;
    started++;
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status = '';
    stream.on('trailers', (headers) => (status = String(headers['grpc-status'])));
    stream.on('error', () => undefined);
    stream.on('close', () => {
      finished++;
      if (status !== '0') failed++;
      if (finished === total) done();
      else next();
    });
    stream.resume();
    stream.end(body);
  };
  for (let slot = 0; slot < Number(inFlight); slot++) next();
}
