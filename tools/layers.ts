// Holds the layer rules: what each folder of src may import, from ours and from outside, and which sources
// of time and randomness nobody but runtime may touch. Biome refuses the plain globals (biome.json); this
// refuses imports, and what hides behind a member access.
// Usage: node tools/layers.ts [root]
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';

interface Layer {
  /** Folders of src, or files (`election/store`), or '*' for all. */
  readonly ours: readonly string[];
  /** Folders of src that are closed in spite of '*'. */
  readonly not?: readonly string[];
  /** No package and no node: module at all. */
  readonly sealed?: boolean;
  /** The packages that a sealed layer may import nevertheless. */
  readonly packages?: readonly string[];
  /** May reach the machine itself: disk, network, timers, clocks. */
  readonly machine?: boolean;
}

export const layers: Readonly<Record<string, Layer>> = {
  raft: { ours: [], sealed: true },
  keyspace: { ours: [], sealed: true },
  wire: { ours: [], sealed: true, packages: ['@bufbuild/protobuf/wire'] },
  errors: { ours: [], sealed: true },
  collections: { ours: [], sealed: true },
  runtime: { ours: ['errors'], machine: true },
  member: { ours: ['raft', 'keyspace', 'collections', 'runtime', 'errors'] },
  api: { ours: ['member', 'keyspace', 'collections', 'runtime', 'wire', 'errors'] },
  client: { ours: ['runtime', 'wire', 'errors'] },
  embedded: { ours: ['member', 'api', 'client', 'stores', 'election/store', 'runtime', 'wire', 'errors'] },
  election: { ours: ['runtime', 'errors'] },
  stores: { ours: ['election/store', 'client', 'runtime', 'wire', 'errors'] },
  conformance: { ours: ['election/store', 'stores/documents/driver', 'runtime', 'wire', 'errors'] },
  fencing: { ours: ['election', 'runtime', 'errors'] },
  partitions: { ours: ['election', 'runtime', 'errors'] },
  simulation: { ours: ['*'], not: ['cli'] },
  cli: { ours: ['*'], machine: true },
};

const machineModules = /^(node:)?(fs|fs\/promises|net|tls|dgram|timers|timers\/promises|perf_hooks)$/;
const grpcFiles = /^src\/(client|api)\/(.*\/)?grpc/;
const hidden =
  /\b(Math\.random|process\.hrtime|globalThis\.(Date|performance|crypto|set(Timeout|Interval|Immediate))|random(UUID|Bytes|Int|Fill(Sync)?)|getRandomValues)\b/g;
const comments = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
const imports = /(?<!['"])\b(?:from|import|require)\s*\(?\s*(['"])([^'"\n]+)\1/g;
const testPackages = ['node:test', 'node:assert', 'node:assert/strict', 'fast-check'];

/** One line for each broken rule in the sources under `root`/src. */
export function findViolations(root: string): string[] {
  const found: string[] = [];
  for (const name of globSync('src/**/*.ts', { cwd: root }).sort()) {
    const file = name.replaceAll('\\', '/');
    const layerName = file.split('/')[1] ?? '';
    const layer = layers[layerName];
    if (layer === undefined) {
      found.push(`${file}: src/${layerName} is no layer; add it to tools/layers.ts`);
      continue;
    }
    const test = file.endsWith('.test.ts');
    const code = readFileSync(join(root, file), 'utf8').replace(comments, (text) =>
      text.startsWith('/') ? text.replace(/[^\n]/g, ' ') : text,
    );
    const report = (at: number, problem: string) =>
      found.push(`${file}:${code.slice(0, at).split('\n').length}: ${problem}`);
    for (const match of code.matchAll(imports)) {
      const problem = judgeImport(file, layerName, layer, test, match[2] ?? '');
      if (problem !== undefined) report(match.index, problem);
    }
    if (layer.machine || test) continue;
    for (const match of code.matchAll(hidden)) {
      report(match.index, `${match[0]} is for src/runtime alone; take it from the Runtime that is passed in`);
    }
  }
  return found;
}

function judgeImport(file: string, name: string, layer: Layer, test: boolean, specifier: string) {
  if (specifier.startsWith('.')) return judgeOurs(file, name, layer, test, specifier);
  if (layer.sealed) {
    if (layer.packages?.includes(specifier)) return undefined;
    if (test && (testPackages.includes(specifier) || name === 'errors')) return undefined;
    const nothing = layer.packages === undefined ? 'nothing' : 'nothing else';
    return `src/${name} imports ${nothing} from outside, but here '${specifier}'`;
  }
  if (test || layer.machine) return undefined;
  if (machineModules.test(specifier)) return `'${specifier}' is for src/runtime and src/cli alone`;
  if (specifier.startsWith('@grpc/') && !grpcFiles.test(file) && name !== 'stores') {
    return `'${specifier}' belongs in grpc*.ts of src/client and src/api`;
  }
  return undefined;
}

function judgeOurs(file: string, name: string, layer: Layer, test: boolean, specifier: string) {
  const target = posix.join(posix.dirname(file), specifier);
  if (!target.startsWith('src/'))
    return test && !layer.sealed ? undefined : `'${specifier}' leads out of src`;
  const [, other = '', ...rest] = target.split('/');
  if (other === name || (test && !layer.sealed)) return undefined;
  const inside = `${other}/${rest.join('/').replace(/(\/index)?\.ts$/, '')}`;
  const open = layer.ours.some((entry) => entry === '*' || entry === other || entry === inside);
  if (open && !layer.not?.includes(other)) return undefined;
  return `src/${name} may not import src/${inside}`;
}

if (process.argv[1] === import.meta.filename) {
  const root = process.argv[2] ?? dirname(import.meta.dirname);
  const violations = findViolations(root);
  for (const line of violations) console.error(line);
  if (violations.length > 0) {
    console.error(`${violations.length} broken layer rules in ${relative(process.cwd(), root) || '.'}`);
    process.exitCode = 1;
  }
}
