// A real writer, killed at each of its system calls on the guarded files; then what it left is read.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fencedLog, versionedFile } from '../../src/fencing/index.ts';
import { peer } from '../peers.ts';

const strace = peer('strace');
const leader = (token: number) => ({ name: 'jobs', token, assertHeld() {} });
const bytes = (content: string) => new TextEncoder().encode(content);
const string = (data: Uint8Array) => new TextDecoder().decode(data);
const writer = join(import.meta.dirname, 'killed-writer.ts');

interface Guarded {
  /** What an older leader, with token 1, wrote. */
  prepare(path: string): Promise<void>;
  /** Asserts what must be there after the writer, whose token is 2, acknowledged these of its `steps`. */
  check(path: string, acknowledged: readonly string[]): Promise<void>;
}

const guards: Readonly<Record<string, Guarded>> = {
  log: {
    async prepare(path) {
      await using log = fencedLog(path);
      await log.append(leader(1), bytes('start'));
    },
    async check(path, acknowledged) {
      const steps = ['one', 'two'];
      await using log = fencedLog(path);
      const found: string[] = [];
      for await (const { data } of log.read()) found.push(string(data));
      const written = acknowledged.filter((step) => step !== 'claim');
      assert.deepEqual(found, ['start', ...steps.slice(0, found.length - 1)]);
      assert([0, 1].includes(found.length - 1 - written.length), `${found} after ${acknowledged}`);
      if (acknowledged.length > 0) {
        await assert.rejects(log.append(leader(1), bytes('stale')), { code: 'stale-token' });
      }
      await log.append(leader(3), bytes('after'));
      const all: string[] = [];
      for await (const { data } of fencedLog(path).read()) all.push(string(data));
      assert.deepEqual(all, [...found, 'after']);
    },
  },
  file: {
    async prepare(path) {
      const file = versionedFile(path, { keepVersions: 2 });
      await file.write(bytes('older'), { leadership: leader(1), expectedVersion: 0 });
      await file.write(bytes('start'), { leadership: leader(1), expectedVersion: 1 });
    },
    async check(path, acknowledged) {
      const file = versionedFile(path, { keepVersions: 2 });
      const { version, token, data, damaged } = await file.read();
      assert([0, 1].includes(version - 2 - acknowledged.length), `${version} after ${acknowledged}`);
      const states = [
        [1, 'start'],
        [2, 'start'],
        [2, 'one'],
      ];
      assert.deepEqual([token, string(data)], states[version - 2]);
      assert.deepEqual(damaged, []);
      if (acknowledged.length > 0) {
        const late = file.write(bytes('stale'), { leadership: leader(1), expectedVersion: version });
        await assert.rejects(late, { code: 'stale-token' });
      }
      await file.update(leader(3), () => bytes('after'));
      assert.equal(string((await file.read()).data), 'after');
    },
  },
};

/** Runs the writer under strace; resolves to what it acknowledged. */
async function traced(kind: string, path: string, flags: readonly string[], cache: string) {
  const args = ['-f', '-qq', ...flags, process.execPath, writer, kind, path, '2'];
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1', NODE_COMPILE_CACHE: cache };
  const child = spawn(strace.path ?? '', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  const killed = signal === 'SIGKILL' || code === 128 + 9;
  assert(killed || code === 0, `it ended with ${code ?? signal}: ${errors}`);
  return { acknowledged: output.split('\n').filter(Boolean), killed };
}

/** Each system call that the writer makes on its files, by its name and its number among those of this name. */
async function systemCalls(kind: string, guard: Guarded, scratch: string) {
  const trace = join(scratch, 'trace');
  const folder = join(scratch, 'first');
  const path = join(folder, 'guarded');
  mkdirSync(folder);
  await guard.prepare(path);
  await traced(kind, path, ['-s', '4096', '-o', trace, '-e', 'trace=%file'], scratch);
  const named = readFileSync(trace, 'utf8').matchAll(/"([^"]*)"/g);
  const names = new Set([...named].flatMap(([, name = '']) => (name.startsWith(path) ? [name] : [])));
  const files = [...names].map((name) => name.slice(path.length));

  const again = join(scratch, 'second');
  mkdirSync(again);
  await guard.prepare(join(again, 'guarded'));
  const flags = ['-o', trace, ...watching(again, files), '-e', 'trace=%file,%desc'];
  await traced(kind, join(again, 'guarded'), flags, scratch);
  const calls: { readonly name: string; readonly number: number }[] = [];
  for (const [, name = ''] of readFileSync(trace, 'utf8').matchAll(/^\d+ +([a-z]\w*)\(/gm)) {
    calls.push({ name, number: 1 + calls.filter((call) => call.name === name).length });
  }
  return { files, calls };
}

function watching(folder: string, files: readonly string[]): string[] {
  const paths = [folder, ...files.map((file) => `${join(folder, 'guarded')}${file}`)];
  return paths.flatMap((path) => ['-P', path]);
}

const atOnce = 4;
const names = { log: 'a fenced log', file: 'a versioned file' };

for (const [kind, guard] of Object.entries(guards)) {
  const title = `${names[kind as keyof typeof names]}: killed at any system call, a writer leaves all that it acknowledged, and at most the write under way`;
  test(title, { skip: strace.missing ?? false }, async (context) => {
    const scratch = mkdtempSync(join(tmpdir(), 'conclave-killed-'));
    try {
      const { files, calls } = await systemCalls(kind, guard, scratch);
      assert(calls.length > 15, `only ${calls.length} system calls`);
      const waiting = calls.entries();
      let kills = 0;
      const kill = async (): Promise<void> => {
        for (const [position, { name, number }] of waiting) {
          const folder = join(scratch, String(position));
          const path = join(folder, 'guarded');
          mkdirSync(folder);
          await guard.prepare(path);
          const inject = `inject=${name}:signal=KILL:when=${number}`;
          const flags = ['-o', '/dev/null', ...watching(folder, files), '-e', `trace=${name}`, '-e', inject];
          const { acknowledged, killed } = await traced(kind, path, flags, scratch);
          if (killed) kills += 1;
          await guard.check(path, acknowledged);
        }
      };
      await Promise.all(Array.from({ length: atOnce }, kill));
      context.diagnostic(`killed at ${kills} of ${calls.length} system calls`);
      assert.equal(kills, calls.length);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });
}
