// The packed tarball in an empty project, and in it every example of README.md.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { peer } from '../peers.ts';
import { type Example, readmeExamples } from './examples.ts';
import { Ports } from './ports.ts';
import { Project, type Running } from './project.ts';

const root = join(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly bin: { readonly conclave: string };
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>;
  readonly scripts: Readonly<Record<string, string>>;
};
/** Enough for a slow machine under load: some of them run a compiler over all declarations. */
const patience = { timeout: 300_000 };
const etcdctl = peer('etcdctl');
const curl = peer('curl');
const examples = readmeExamples();
const used = new Set<Example>();
/** What a user imports. */
const modules = Object.entries(manifest.exports).flatMap(([path, target]) =>
  typeof target === 'string' ? [] : [`conclave${path.slice(1)}`],
);
const compilerOptions = {
  ...{ module: 'nodenext', target: 'es2023', lib: ['es2023'], types: ['node'], noEmit: true },
  ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false },
};

let project: Project;
let ports: Ports;
let variables: Readonly<Record<string, string>>;

before(
  async () => {
    [project, ports] = await Promise.all([Project.make(), Ports.find()]);
    const client = `127.0.0.1:${ports.of(2379)}`;
    variables = { CONCLAVE_ENDPOINTS: client, ETCDCTL_ENDPOINTS: client, ETCDCTL_API: '3' };
    for (const example of examples) {
      if (example.language !== 'sh') await project.write(example.name, ports.substitute(example.code));
    }
  },
  { timeout: 540_000 },
);
after(async () => await project?.[Symbol.asyncDispose]());

/** The only example of that name; the last test sees whether one was left out. */
function example(name: string): Example {
  const [found, ...others] = examples.filter((one) => one.name === name);
  if (found === undefined || others.length > 0) throw new Error(`README.md has not one example ${name}`);
  used.add(found);
  return found;
}

function start(
  name: string,
  more: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Running {
  const { code, language } = example(name);
  const all = { ...variables, ...more };
  if (language !== 'sh') return project.start(process.execPath, [...flags, name], all);
  return project.start('bash', ['-euc', `${ports.substitute(code)}\nwait`], all);
}

/** Runs an example to its end, which must be a good one, and resolves to what it wrote. */
async function run(name: string, flags: readonly string[] = []): Promise<string> {
  await using running = start(name, {}, flags);
  assert.equal(await running.ended, 0, running.output);
  return running.output;
}

test('the tarball holds what is documented, and no tests, helpers of tests or maps', () => {
  const expected =
    /^(dist\/.+\.(js|d\.ts)|proto\/.+\.(proto|md)|docs\/(guides|reference|internals|stores)\/.+\.md|docs\/images\/.+\.svg|package\.json|(README|CHANGELOG|SECURITY)\.md|LICENSE)$/;
  assert.deepEqual(
    project.packed.filter((file) => !expected.test(file) || /\.test\.|\btesting\b/.test(file)),
    [],
  );
  for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'docs/guides/guarantees.md'])
    assert.ok(project.packed.includes(file), file);
  const installed = join(project.folder, 'node_modules/conclave');
  const pointing = project.packed.filter(
    (file) =>
      file.endsWith('.js') && readFileSync(join(installed, file), 'utf8').includes('sourceMappingURL'),
  );
  assert.deepEqual(pointing, []);
});

test('no driver of a store is installed with it, and each has a range of versions that fit', () => {
  const drivers = Object.keys(manifest.peerDependencies);
  assert.deepEqual(Object.keys(manifest.peerDependenciesMeta).sort(), drivers.toSorted());
  for (const driver of drivers) {
    assert.deepEqual(manifest.peerDependenciesMeta[driver], { optional: true });
    assert.match(manifest.peerDependencies[driver] ?? '', /^\^/);
    assert.ok(!existsSync(join(project.folder, 'node_modules', driver)), driver);
  }
});

test('every export is packed with its types, and can be imported, without any driver', patience, async () => {
  for (const target of Object.values(manifest.exports)) {
    const files = typeof target === 'string' ? [target] : [target.types, target.default];
    for (const file of files) assert.ok(project.packed.includes(file.replace('./', '')), file);
  }
  const lines = modules.map(
    (name) => `assert.ok(Object.keys(await import('${name}')).length > 0, '${name}');`,
  );
  await project.write('imports.mjs', `import assert from 'node:assert';\n${lines.join('\n')}\n`);
  await using running = project.start(process.execPath, ['imports.mjs']);
  assert.equal(await running.ended, 0, running.output);
});

test('the declarations of every export are complete but for the types of its driver', patience, async () => {
  const lines = modules.map((name, at) => `export * as export${at} from '${name}';\n`);
  await project.write('every-export.mts', lines.join(''));
  const only = JSON.stringify({ compilerOptions, files: ['every-export.mts'] });
  await project.write('tsconfig.exports.json', only);
  const words = ['-p', 'tsconfig.exports.json', '--pretty', 'false'];
  await using running = project.start(join(root, 'node_modules/.bin/tsc'), words);
  await running.ended;
  for (const [line] of running.output.matchAll(/^.*error TS.*$/gm)) {
    const [, folder = '', missing = ''] =
      /^node_modules\/conclave\/dist\/(\w+\/\w+).*error TS2307: Cannot find module '(.*)' or/.exec(line) ??
      [];
    assert.ok(missing in manifest.peerDependencies, line);
    assert.match(folder, /^(stores\/(dynamodb|kubernetes|mongodb|nats|s3)|fencing\/(mongodb|s3))$/, line);
  }
});

test('a store whose driver is not installed says what to install', patience, async () => {
  const urls = {
    ...{ postgres: 'postgres://h/d', mysql: 'mysql://h/d', redis: 'redis://h', nats: 'nats://h' },
    ...{ mongodb: 'mongodb://h/d', cassandra: 'cassandra://h/k?datacenter=d', kubernetes: 'kubernetes://n' },
    ...{ dynamodb: 'dynamodb://us-east-1/elections', s3: 's3://bucket' },
  };
  await project.write(
    'missing.mjs',
    `import { openStore } from 'conclave/stores';
    for (const [name, url] of Object.entries(${JSON.stringify(urls)})) {
      const failure = await openStore(url).then(async (store) => await store.read('x')).catch((error) => error);
      console.log(name, failure?.code, failure?.message);
    }`,
  );
  await using running = project.start(process.execPath, ['missing.mjs']);
  assert.equal(await running.ended, 0, running.output);
  for (const name of Object.keys(urls))
    assert.match(running.output, new RegExp(`^${name} unsupported .*npm install `, 'm'));
});

test('the examples type-check strictly against the installed declarations', patience, async () => {
  await project.write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  await using running = project.start(join(root, 'node_modules/.bin/tsc'), ['-p', '.']);
  assert.equal(await running.ended, 0, running.output);
});

test('the command that npm installs tells the version of the package', patience, async () => {
  await using running = project.start('npx', ['conclave', 'version']);
  assert.equal(await running.ended, 0, running.output);
  assert.match(running.output, new RegExp(`^conclave ${manifest.version.replaceAll('.', '\\.')}$`, 'm'));
});

describe('examples of README.md', () => {
  test('the two commands of a checkout are there word for word, and their scripts exist', () => {
    const checkout = examples.filter(({ name }) => name === 'checkout');
    for (const one of checkout) used.add(one);
    assert.deepEqual(
      checkout.map(({ code }) => code),
      ['npm ci && npm start\n', 'npm ci && npm test\n'],
    );
    for (const name of ['start', 'test']) {
      const file = /^node (\S+)/.exec(manifest.scripts[name] ?? '')?.[1] ?? '';
      assert.ok(existsSync(join(root, file)), `the script ${name} runs ${file}`);
    }
  });

  test('installing names the tarball that npm pack makes', () => {
    const { code } = example('install');
    assert.match(code, /^npm pack /);
    assert.ok(code.includes(`/conclave-${manifest.version}.tgz`), code);
  });

  test('race.ts: the paused leader is refused, each time that it is run', patience, async () => {
    for (const _ of ['once', 'and again']) {
      const output = await run('race.ts');
      assert.match(output, /^refused: .*has seen token \d+; token \d+ is refused/m);
      assert.match(output, /^the file says: balance 100 - 30$/m);
    }
  });

  test('embedded.ts: a member in the process', patience, async () => {
    assert.match(await run('embedded.ts'), /^cleaning up with token \d+$/m);
  });

  test('store.test.ts: the conformance suite', patience, async () => {
    const output = await run('store.test.ts', ['--test', '--test-reporter=tap']);
    assert.match(output, /^# pass [1-9]\d+$/m);
    assert.match(output, /^# fail 0$/m);
  });

  test('simulate: every claim holds in a few lives', patience, async () => {
    assert.match(await run('simulate'), /^OK\. Every claim held in 4 seeds from 1 on\.$/m);
  });

  test('serve: one member, with no flag at all', patience, async () => {
    await using server = start('serve', {
      CONCLAVE_LISTEN_CLIENT_URLS: `http://127.0.0.1:${ports.of(2379)}`,
      CONCLAVE_LISTEN_PEER_URLS: `http://127.0.0.1:${ports.of(2380)}`,
    });
    await server.wrote(/ready to serve client requests/);
    assert.match(await run('status'), /^default .* leader /m);
    assert.ok(existsSync(join(project.folder, 'default.conclave/log')));
  });

  describe('with a cluster', () => {
    let cluster: Running;

    before(async () => {
      cluster = start('cluster');
      const ready = ['m1', 'm2', 'm3'].map((name) => new RegExp(`"${name}".*ready to serve client requests`));
      await cluster.wrote(...ready);
    }, patience);
    after(async () => await cluster?.[Symbol.asyncDispose]());

    test('status: three members, one of them the Raft leader', patience, async () => {
      let [output, roles] = ['', ''];
      // On a busy machine they may be asked in the middle of an election.
      while (roles !== 'follower,follower,leader') {
        output = await run('status');
        const listed = [...output.matchAll(/^(m\d) +\S+ +(\S+)/gm)];
        assert.deepEqual(
          listed.map(([, name]) => name),
          ['m1', 'm2', 'm3'],
          output,
        );
        roles = listed
          .map(([, , role]) => role)
          .sort()
          .join();
      }
      const [heading] = /^MEMBER .*$/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
      assert.ok(
        output.split('\n').some((line) => sameWords(line, heading ?? '')),
        output,
      );
    });

    test('report.ts: one leads, the other takes over when it stops', patience, async () => {
      await using first = start('report.ts');
      await first.wrote(/leading with token \d+/, /working; \d+ ms left/);
      await using second = start('report.ts');
      first.signal('SIGINT');
      assert.equal(await first.ended, 0, first.output);
      await second.wrote(/leading with token \d+/);
      assert.ok(tokenIn(second.output) > tokenIn(first.output));
      second.signal('SIGINT');
      assert.equal(await second.ended, 0, second.output);
    });

    test('parts.ts: candidate, observe, lock and a channel', patience, async () => {
      const output = await run('parts.ts');
      assert.match(output, /^elected .*type: 'elected'/ms);
      assert.match(output, /^migrating with token \d+$/m);
      assert.match(output, /^42 rows$/m);
    });

    test('spread.ts: partitions, and an operation that is recorded once', patience, async () => {
      const output = await run('spread.ts');
      assert.match(output, /^customer-42 belongs to partition [0-7]$/m);
      assert.match(output, /^sent, with key welcome\/customer-42$/m);
    });

    test('elect: a command under leadership, with its token', patience, async () => {
      assert.match(await run('elect'), /^reporting with token \d+$/m);
    });

    test('observe: who leads', patience, async () => {
      assert.match(await run('observe'), / nobody leads$/m);
    });

    test('keys: put and get', patience, async () => {
      assert.match(await run('keys'), /^greeting is put, at revision \d+$[\s\S]*^hello$/m);
    });

    test('etcdctl: put and get', { ...patience, skip: etcdctl.missing ?? false }, async () => {
      assert.match(await run('etcdctl'), /^OK\ngreeting\nhello\n$/);
    });

    test('curl: the JSON gateway and the health', { ...patience, skip: curl.missing ?? false }, async () => {
      assert.match(await run('curl'), /"key":"Zm9v".*"value":"YmFy".*"health":"true"/s);
    });

    test('operate: a backup, the members and a check', patience, async () => {
      await using running = start('operate');
      // The check ends with 1 where this machine's disk is slow.
      await running.ended;
      assert.match(running.output, /^Saved .* to monday\.snapshot$/m);
      assert.match(running.output, /^HASH .*\n[0-9a-f]+ /m);
      assert.match(running.output, /^ID .*\n([0-9a-f]+ +started +m\d .* voter\n){3}/m);
      assert.match(running.output, /3 of 3 members answer/);
    });
  });

  test('each of them is run', () => {
    if (etcdctl.missing !== undefined) example('etcdctl');
    if (curl.missing !== undefined) example('curl');
    assert.deepEqual(
      examples.filter((one) => !used.has(one)).map(({ name }) => name),
      [],
    );
  });
});

function tokenIn(output: string): number {
  return Number(/leading with token (\d+)/.exec(output)?.[1]);
}

function sameWords(one: string, other: string): boolean {
  return one.trim().split(/\s+/).join() === other.trim().split(/\s+/).join();
}
