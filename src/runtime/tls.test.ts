import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import * as net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Authority, certificatesMissing } from '../../test/certificates.ts';
import { ConclaveError } from '../errors/index.ts';
import { NodeNetwork } from './network.ts';
import { listenSockets } from './sockets.ts';
import { TlsIdentity, type TlsOptions } from './tls.ts';
import type { Address, Connection } from './types.ts';

const local = { host: '127.0.0.1', port: 0, secure: true };

describe('TLS between members', { skip: certificatesMissing ?? false }, () => {
  let ours: Authority;
  let foreign: Authority;
  before(() => {
    ours = new Authority();
    foreign = new Authority('Another authority');
  });
  after(() => {
    ours[Symbol.dispose]();
    foreign[Symbol.dispose]();
  });

  const identity = (authority: Authority, name: string, more: Partial<TlsOptions> = {}) =>
    TlsIdentity.load({ ...authority.sign(name), authorityFile: authority.authorityFile, ...more });

  /** Listens with `tls` and echoes, and keeps why anybody was turned away. */
  async function listen(tls: TlsIdentity) {
    const refused: string[] = [];
    const heard = Promise.withResolvers<void>();
    const network = new NodeNetwork({
      tls,
      onRefused: (remote, reason) => {
        assert.match(remote, /^127\.0\.0\.1:[1-9]\d*$/);
        refused.push(reason);
        heard.resolve();
      },
    });
    const listener = await network.listen(local, (connection) => {
      connection.onData = (chunk) => connection.write([chunk]);
      connection.onClose = () => {};
    });
    return { address: { ...listener.address, secure: true }, refused, heard: heard.promise, listener };
  }

  const dial = (address: Address, tls: TlsIdentity): Promise<Connection> =>
    new NodeNetwork({ tls }).connect(address, { timeoutMs: 10_000 });

  /** What comes back, or how the connection ended without it. */
  function echoed(connection: Connection, text: string): Promise<string> {
    return new Promise((resolve) => {
      connection.onData = (chunk) => resolve(Buffer.from(chunk).toString());
      connection.onClose = (cause) => resolve(`closed: ${cause}`);
      connection.write([Buffer.from(text)]);
    });
  }

  test('members of one authority talk', async () => {
    using one = await identity(ours, 'one');
    using two = await identity(ours, 'two');
    const server = await listen(one);
    const connection = await dial(server.address, two);
    assert.equal(await echoed(connection, 'hello'), 'hello');
    connection.destroy();
    await server.listener.close();
    assert.deepEqual(server.refused, []);
  });

  test('a member of another authority is refused on both sides, with what to do', async () => {
    using one = await identity(ours, 'one');
    using stranger = await identity(foreign, 'stranger');
    const server = await listen(one);
    // Trusts us, and is not trusted.
    using guest = await TlsIdentity.load({ ...foreign.sign('guest'), authorityFile: ours.authorityFile });
    await assert.rejects(dial(server.address, stranger), (error: unknown) => {
      assert.ok(ConclaveError.is(error, 'unavailable'));
      assert.match(error.message, /signed by an authority that is not trusted here.*--peer-trusted-ca-file/);
      return true;
    });
    const connection = await dial(server.address, guest);
    assert.match(await echoed(connection, 'hello'), /^closed/);
    await server.heard;
    assert.match(
      server.refused.join(),
      /signed by an authority that is not trusted here.*--peer-trusted-ca-file/,
    );
    await server.listener.close();
  });

  test('who shows no certificate is refused, and so is who has another name than allowed', async () => {
    using one = await identity(ours, 'one', { allowedCommonNames: ['two'] });
    using nameless = await identity(ours, 'three');
    const server = await listen(one);
    const connection = await dial(server.address, nameless);
    assert.match(await echoed(connection, 'hello'), /^closed/);
    assert.match(server.refused[0] ?? '', /common name "three", and allowed is two/);
    using two = await identity(ours, 'two');
    const allowed = await dial(server.address, two);
    assert.equal(await echoed(allowed, 'hello'), 'hello');
    allowed.destroy();
    await server.listener.close();
  });

  test('a common name is told of a certificate that was asked for, unless names are not to count', async () => {
    const told = async (more: Partial<TlsOptions>): Promise<string | undefined> => {
      using server = await identity(ours, 'one', more);
      using guest = await identity(ours, 'root');
      const named = Promise.withResolvers<string | undefined>();
      const listener = await listenSockets(
        local,
        (socket, info) => {
          named.resolve(info.commonName);
          socket.destroy();
        },
        { tls: server },
      );
      const connection = await dial({ ...listener.address, secure: true }, guest);
      const name = await named.promise;
      connection.destroy();
      await listener.close();
      return name;
    };
    assert.equal(await told({}), 'root');
    assert.equal(await told({ usersByCommonName: false }), undefined);
    assert.equal(await told({ requireCertificate: false, usersByCommonName: true }), undefined);
  });

  test('a plain connection to a port with TLS, and TLS to a plain port, say so', async () => {
    using one = await identity(ours, 'one');
    const server = await listen(one);
    const socket = net.connect(server.address.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('this is no handshake at all, but long enough\r\n');
    await server.heard;
    assert.match(server.refused[0] ?? '', /speaks no TLS here/);
    await server.listener.close();
    const plain = net.createServer((client) => client.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const { port } = plain.address() as net.AddressInfo;
    await assert.rejects(
      dial({ host: '127.0.0.1', port, secure: true }, one),
      /speaks no TLS here.*http:\/\//,
    );
    plain.close();
  });

  test('a handshake that does not come to its end is cut off', async () => {
    using one = await identity(ours, 'one');
    const options = { tls: one, handshakeTimeoutMs: 100 };
    const listener = await listenSockets(local, () => {}, options);
    const socket = net.connect(listener.address.port, '127.0.0.1');
    socket.on('error', () => {});
    // The head of a record, whose content never comes.
    socket.write(Buffer.from([22, 3, 1, 1, 0]));
    await new Promise((resolve) => socket.once('close', resolve));
    await listener.close();
  });

  test('a certificate for another host is refused', async () => {
    using one = await identity(ours, 'elsewhere');
    const files = ours.sign('elsewhere', { subjectAltName: 'DNS:other.example' });
    using other = await TlsIdentity.load({ ...files, authorityFile: ours.authorityFile });
    const server = await listen(other);
    await assert.rejects(dial(server.address, one), /subjectAltName/);
    await server.listener.close();
  });

  test('new files are used without a new start, and broken ones change nothing', async () => {
    const reloads: (ConclaveError | undefined)[] = [];
    let wake = (): void => {};
    const reloaded = async (count: number): Promise<void> => {
      while (reloads.length < count) await new Promise<void>((resolve) => (wake = resolve));
    };
    using renewing = await identity(ours, 'renewing', {
      reloadEveryMs: 20,
      onReload: (error) => {
        reloads.push(error);
        wake();
      },
    });
    using client = await identity(ours, 'client');
    const server = await listen(renewing);
    const before = await dial(server.address, client);
    writeFileSync(join(ours.folder, 'renewing.pem'), 'half a certificate');
    await reloaded(1);
    assert.match(reloads[0]?.message ?? '', /renewing\.pem is none in PEM/);
    const meanwhile = await dial(server.address, client);
    assert.equal(await echoed(meanwhile, 'still the old one'), 'still the old one');
    // From here on a certificate that no client accepts by its name: so it is seen that it is used.
    ours.sign('renewing', { subjectAltName: 'DNS:other.example' });
    while (reloads.at(-1) !== undefined) await reloaded(reloads.length + 1);
    await assert.rejects(dial(server.address, client), /subjectAltName/);
    assert.equal(await echoed(before, 'what stands goes on'), 'what stands goes on');
    for (const connection of [before, meanwhile]) connection.destroy();
    await server.listener.close();
  });

  test('files that stay broken are told of once, and so is that they are good again', async () => {
    const told: string[] = [];
    let wake = (): void => {};
    const files = ours.sign('flapping');
    using _flapping = await identity(ours, 'flapping', {
      ...files,
      reloadEveryMs: 5,
      onReload: (error) => {
        told.push(
          error === undefined ? 'good' : error.message.replace(/^.*(cannot be read|is none in PEM).*$/, '$1'),
        );
        wake();
      },
    });
    const until = async (count: number): Promise<void> => {
      while (told.length < count) await new Promise<void>((resolve) => (wake = resolve));
      // Looked at again, more than once, without another word.
      for (let look = 0; look < 4; look++)
        await stat(files.certificateFile).then(
          () => setTimeout(10),
          () => setTimeout(10),
        );
      assert.equal(told.length, count);
    };
    // In one step: a look between an empty file and a full one would see two changes.
    const put = (content: string): void => {
      writeFileSync(`${files.certificateFile}.new`, content);
      renameSync(`${files.certificateFile}.new`, files.certificateFile);
    };
    put('half a certificate');
    await until(1);
    put('another half of one');
    await until(2);
    renameSync(files.keyFile, `${files.keyFile}.away`);
    await until(3);
    renameSync(`${files.keyFile}.away`, files.keyFile);
    ours.sign('flapping');
    while (told.at(-1) !== 'good') await new Promise<void>((resolve) => (wake = resolve));
    assert.deepEqual(told.slice(0, 3), ['is none in PEM', 'is none in PEM', 'cannot be read']);
    await until(told.length);
  });

  test('files that are missing, or do not belong together, are named', async () => {
    const { certificateFile, keyFile } = ours.sign('one');
    const other = ours.sign('two');
    const load = (files: TlsOptions) => TlsIdentity.load(files).then((loaded) => loaded[Symbol.dispose]());
    await assert.rejects(
      load({ certificateFile: '/nowhere.pem', keyFile }),
      /certificate \/nowhere\.pem cannot be read/,
    );
    await assert.rejects(
      load({ certificateFile, keyFile: other.keyFile }),
      /one\.pem and the key .* cannot be used together/,
    );
    await assert.rejects(
      load({ certificateFile, keyFile, authorityFile: keyFile }),
      /authority .*one-key\.pem is no certificate/,
    );
  });
});
