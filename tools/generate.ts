// Writes src/wire/generated from proto/: buf compiles (locally), ts-proto prints. Two things are then changed, and
// must each be found, so that a new ts-proto that prints otherwise fails here:
// - the helper types that it repeats in each file give way to src/wire/message.ts, so that there is one
//   DeepPartial, and one that takes undefined for what is left out;
// - its range checks of 64-bit fields go. They fail on a `number` in a oneof or a repeated field, which they take
//   for a bigint, and the writer of @bufbuild/protobuf checks the range itself.
// Beside it stand the fields by name, for JSON, and the compiled files, for reflection.
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { writeSchema } from './generate/schema.ts';

const root = join(import.meta.dirname, '..');
const generated = join(root, 'src/wire/generated');
const rangeCheck =
  /\n *if \(BigInt\.as\w+\(64, .*\) \{\n *throw new globalThis\.Error\((?:\n *)?".*",?(?:\n *)?\);\n *\}/g;

const run = (name: string, ...args: string[]) =>
  execFileSync(join(root, 'node_modules/.bin', name), args, { cwd: root, stdio: 'inherit' });

run('buf', 'generate');
let rangeChecks = 0;
for (const name of globSync('**/*.ts', { cwd: generated })) {
  const file = join(generated, name);
  const replaceOnce = (text: string, what: RegExp, by: string): string => {
    if (text.match(what)?.length !== 1) throw new Error(`${file}: not exactly one match of ${what}`);
    return text.replace(what, by);
  };
  const message = `${relative(dirname(file), join(root, 'src/wire'))}/message.ts`;
  let text = readFileSync(file, 'utf8');
  // A service alone, with messages from elsewhere.
  if (!text.includes('MessageFns<')) continue;
  text = replaceOnce(text, /^type Builtin = [\s\S]*?: Partial<T>;\n/gm, '');
  text = replaceOnce(text, /^interface MessageFns<T> \{\n[\s\S]*?^\}\n/gm, '');
  text = replaceOnce(text, /^(?=import )/m, `import type { DeepPartial, MessageFns } from '${message}';\n`);
  rangeChecks += text.match(rangeCheck)?.length ?? 0;
  text = text.replace(rangeCheck, '');
  if (text.includes('BigInt.as')) throw new Error(`${file}: a range check of another form is left`);
  writeFileSync(file, text);
}
if (rangeChecks === 0) throw new Error('ts-proto prints no range checks any more: remove their replacement');
writeSchema(root, generated);
run('biome', 'format', '--write', generated);
