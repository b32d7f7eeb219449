// The TLS part of docs/guides/securing.md, run as it stands there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { certificatesMissing } from '../certificates.ts';
import { freePorts } from '../ports.ts';
import { Conclave, run } from './cli.ts';

const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/securing.md'), 'utf8');
const [, tlsPart = ''] = guide.split('\n## TLS\n');
const blocks = [...(tlsPart.split('\n## ')[0] ?? '').matchAll(/```sh\n([\s\S]*?)```/g)].map(
  ([, code = '']) => code,
);

const words = (command: string): string[] => command.replaceAll('\\\n', ' ').trim().split(/\s+/).slice(1);

const options = { skip: certificatesMissing ?? false, timeout: 120_000 };

test(
  'the certificates that the guide makes are those that member and client take',
  options,
  async (context) => {
    const [certificates = '', serve = '', status = '', revoke = ''] = blocks;
    const folder = mkdtempSync(join(tmpdir(), 'conclave-securing-'));
    context.after(() => rmSync(folder, { recursive: true, force: true }));
    const [clientPort, peerPort] = (await freePorts(2)) as [number, number];
    const here = (command: string): string[] =>
      words(command.replaceAll(':2379', `:${clientPort}`).replaceAll(':2380', `:${peerPort}`));
    const made = spawnSync('bash', ['-euc', certificates], { cwd: folder, encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    await using member = new Conclave(here(serve), { cwd: folder });
    await member.match('stderr', /ready to serve client requests/);
    const good = await run(here(status), { cwd: folder });
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stdout, /m1/);
    assert.equal(good.stderr, '');
    const nobody = await run(
      ['status', '--endpoints', `https://127.0.0.1:${clientPort}`, '--timeout', '1s'],
      { cwd: folder },
    );
    assert.notEqual(nobody.code, 0);
    const plain = await run(['status', '--endpoints', `http://127.0.0.1:${clientPort}`, '--timeout', '3s'], {
      cwd: folder,
    });
    assert.notEqual(plain.code, 0);
    assert.match(plain.stdout + plain.stderr, /https/);

    const revoked = spawnSync('bash', ['-euc', revoke], { cwd: folder, encoding: 'utf8' });
    assert.equal(revoked.status, 0, revoked.stderr);
    await member[Symbol.asyncDispose]();
    await using careful = new Conclave([...here(serve), '--client-crl-file', 'revoked.pem'], { cwd: folder });
    await careful.match('stderr', /ready to serve client requests/);
    const refused = await run([...here(status), '--timeout', '3s'], { cwd: folder });
    assert.notEqual(refused.code, 0);
    await careful.match('stderr', /was revoked by its authority/);
  },
);
