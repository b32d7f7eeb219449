// What the tests of stores over documents have in common.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type ConformanceTarget, conformanceTests } from '../../src/conformance/index.ts';
import type { LeaseStore } from '../../src/election/store.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import type { DocumentDriver, DocumentKey, StoredDocument } from '../../src/stores/documents/index.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';

export const patience = { timeout: 240_000 };
export const bounds = { signal: new AbortController().signal, timeoutMs: 30_000 };

/** A case that takes thousands of requests: apart from the others, so that it has the machine for itself. */
export const crowded = /^of fifty contenders/;
const uncrowded = new RegExp(`^(?!${crowded.source.slice(1)})`);

export function registerConformance(open: () => Promise<ConformanceTarget>, wanted = uncrowded): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 240_000 })) {
    if (!wanted.test(name)) continue;
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

export async function opened(driver: DocumentDriver): Promise<DocumentDriver> {
  await driver.open?.(bounds);
  return driver;
}

let made = 0;

export function freshKey(kind: 'election' | 'session' = 'election'): DocumentKey {
  made += 1;
  return { kind, name: `${kind}-${process.pid}-${made}` };
}

export function session(renewals: number): string {
  return JSON.stringify({ conclave: 1, write: `w${renewals}`, holder: 'worker-1', ttlMs: 3000, renewals });
}

export async function written(
  driver: DocumentDriver,
  key: DocumentKey,
  text: string,
  replaces?: string,
): Promise<string> {
  const version = await driver.write(key, text, { replaces }, bounds);
  assert(version !== undefined, `${text} was not written`);
  return version;
}

/** As `driver.readMany`, where all that is there is Conclave's. */
export async function readMany(
  driver: DocumentDriver,
  keys: readonly DocumentKey[],
): Promise<readonly (StoredDocument | undefined)[]> {
  const found = (await driver.readMany?.(keys, bounds)) ?? [];
  return found.map((one) => {
    if (ConclaveError.is(one)) throw one;
    return one;
  });
}

/** Of a read: 'answered', or the error as text. */
export async function said(store: LeaseStore): Promise<string> {
  return await store.read('x').then(() => 'answered', String);
}

/** An error of this code, whose message has these words and no secret. */
export function failsWith(
  code: string,
  { outcome = 'not-applied', retryable = false }: { outcome?: string; retryable?: boolean } = {},
  ...words: readonly RegExp[]
) {
  return (error: unknown) => {
    assert(ConclaveError.is(error), String(error));
    assert.deepEqual([error.code, error.outcome, error.retryable], [code, outcome, retryable], error.message);
    for (const word of words) assert.match(error.message, word);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  };
}

/** Connections end after a write was sent and carried out, and before it was answered: what took place is found out. */
export async function findsOutAboutCutWrites(
  port: number,
  open: (port: number) => LeaseStore,
): Promise<void> {
  await using proxy = await losingProxy(port);
  await using store = open(proxy.port);
  await using other = open(port);
  const name = `cut-${process.pid}`;
  await using session = await store.openSession({ ttlMs: 600_000, holder: 'first' });
  /** The first try may fail, then the outcome is unknown; while the client connects again, further ones may too. */
  const despite = async <T>(call: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        assert(ConclaveError.is(error) && error.retryable, String(error));
      }
    }
  };
  let cut = proxy.loseAnswersTo('cut-while-acquiring');
  const asked = { metadata: 'cut-while-acquiring', priority: 0 };
  const outcome = await despite(() => session.acquire(name, asked));
  await cut;
  assert(outcome.status === 'acquired');
  const { token } = outcome;
  assert.deepEqual((await other.read(name)).leader, { holder: 'first', token, metadata: asked.metadata });
  cut = proxy.loseAnswersTo('cut-while-proclaiming');
  assert.equal(await despite(() => session.proclaim(name, token, 'cut-while-proclaiming')), true);
  await cut;
  assert.equal((await other.read(name)).leader?.metadata, 'cut-while-proclaiming');
  cut = proxy.loseAnswersTo(Buffer.from('cut-while-releasing').toString('base64').slice(0, 20));
  const record = Buffer.from('cut-while-releasing');
  const released = await despite(() => session.release(name, token, { record }));
  await cut;
  assert.equal(typeof released, 'boolean');
  await using next = await other.openSession({ ttlMs: 600_000, holder: 'next' });
  const won = await next.acquire(name, { metadata: '', priority: 0 });
  assert(won.status === 'acquired' && won.token > token);
  assert.equal(Buffer.from(won.record ?? []).toString(), 'cut-while-releasing');
}

/** Renewals of many sessions at once take few requests, and each hears what became of its own. */
export async function renewsTogether(
  store: LeaseStore,
  { requests, end }: { requests(): number | Promise<number>; end(id: string): Promise<unknown> },
): Promise<void> {
  const opening = Array.from({ length: 40 }, (_, at) =>
    store.openSession({ ttlMs: 60_000, holder: `holder ${at}` }),
  );
  const sessions = await Promise.all(opening);
  const ended = sessions.slice(0, 3);
  for (const { id } of ended) await end(id);
  const before = await requests();
  const renewed = await Promise.allSettled(sessions.map((session) => session.renew()));
  const count = (await requests()) - before;
  assert(count < 20, `${count} requests`);
  for (const [at, result] of renewed.entries()) {
    assert.equal(result.status, at < ended.length ? 'rejected' : 'fulfilled', `session ${at}`);
    if (result.status === 'rejected') assert(ConclaveError.is(result.reason, 'lease-lost'));
  }
  // Each has the version that stands there: the next renewal replaces it.
  await Promise.all(sessions.slice(ended.length).map((session) => session.renew()));
  for (const session of sessions) await session[Symbol.asyncDispose]();
}

/** What another program wrote under one key keeps none beside it from being read. */
export async function readsBeside(driver: DocumentDriver, foreign: DocumentKey): Promise<void> {
  const ours = Array.from({ length: 20 }, () =>
    freshKey(foreign.kind === 'session' ? 'session' : 'election'),
  );
  for (const [at, key] of ours.entries()) await written(driver, key, session(at));
  const keys = [...ours.slice(0, 10), foreign, ...ours.slice(10)];
  const found = (await driver.readMany?.(keys, bounds)) ?? [];
  const texts = found.map((one) => (ConclaveError.is(one) ? one.code : one?.text));
  const own = ours.map((_, at) => session(at));
  assert.deepEqual(texts, [...own.slice(0, 10), 'data-incompatible', ...own.slice(10)]);
  await assert.rejects(driver.read(foreign, bounds), failsWith('data-incompatible'));
}

/** `make`: an expression that makes a store, of `storeName` and `options`. */
export interface Script {
  readonly module: string;
  readonly storeName: string;
  readonly make: string;
  /** For a store that is reached. */
  readonly before?: string;
}

/** What an import of the store and a first call say where its driver is not installed. */
export async function withoutDriver(driver: string, { module, storeName, make }: Script): Promise<string> {
  return await runScript(`
    import { registerHooks } from 'node:module';
    registerHooks({
      resolve(specifier, context, next) {
        if (!specifier.startsWith(${JSON.stringify(driver)})) return next(specifier, context);
        throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
      },
    });
    const { ${storeName} } = await import('${sourceOf(module)}');
    console.log(await ${make}.read('x').catch(({ code, message }) => code + ': ' + message));
  `);
}

/** A process that led, had another waiting, and disposed of its stores: it ends by itself, without a word. */
export async function endsByItself({ module, storeName, make, before = '' }: Script): Promise<void> {
  const said = await runScript(`
    import { Candidate } from '${new URL('../../src/election/index.ts', import.meta.url).href}';
    import { ${storeName} } from '${sourceOf(module)}';
    ${before}
    const store = ${make};
    const candidate = new Candidate(store, 'ends-' + process.pid);
    const waiting = new Candidate(store, 'ends-' + process.pid);
    const leadership = await candidate.campaign();
    const stop = new AbortController();
    const campaign = waiting.campaign({ signal: stop.signal }).catch((error) => error.code);
    await new Promise((resolve) => setTimeout(resolve, 200));
    stop.abort();
    console.log(leadership.token > 0, await campaign);
    await Promise.all([candidate, waiting].map((one) => one[Symbol.asyncDispose]()));
    await store[Symbol.asyncDispose]();
  `);
  assert.equal(said, 'true aborted\n');
}

function sourceOf(module: string): string {
  return new URL(`../../src/stores/${module}.ts`, import.meta.url).href;
}

async function runScript(code: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-script-'));
  try {
    const file = join(folder, 'script.mjs');
    await writeFile(file, code);
    const flags = ['--disable-warning=ExperimentalWarning', file];
    const options = { cwd: join(import.meta.dirname, '../..'), timeout: 120_000 };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, flags, options);
    assert.equal(stderr, '');
    return stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
