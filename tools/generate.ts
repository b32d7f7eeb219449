// Writes src/wire/generated from proto/: buf compiles (locally), ts-proto prints, and what it prints is then
// tied to our own codec: numbers without a detour over bigint, strict ends of messages, one copy of the
// helpers. Every rewrite must find something, so a new ts-proto that prints otherwise fails here.
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const generated = join(root, 'src/wire/generated');

type Rewrite = readonly [what: RegExp, by: string];

const rewrites: readonly Rewrite[] = [
  [
    /\n *if \(BigInt\.as\w+\(64, .*\) \{\n *throw new globalThis\.Error\((?:\n *)?".*",?(?:\n *)?\);\n *\}/g,
    '',
  ],
  [/\.(u?int64)\(BigInt\(([\w.]+)\)\)/g, '.$1($2)'],
  [/longToNumber\(reader\.(u?int64)\(\)\)/g, 'reader.$1Number()'],
  [/reader\.(u?int64)\(\) as bigint/g, 'reader.$1()'],
  [
    /\n *const previousRecursionDepth[\s\S]*?\n *try \{\n *const end = .*;/g,
    '\n    const end = reader.enter(length);',
  ],
  [
    /\n *if \(\(tag & 7\) === 4 \|\| tag === 0\) \{\n *break;\n *\}\n *reader\.skip\(tag & 7\);/g,
    '\n        reader.skip(tag);',
  ],
  [
    /\n *return message;\n *\} finally \{\n.*__tsProtoDecodeDepth.*\n *\}/g,
    '\n    reader.leave(end);\n    return message;',
  ],
  [/\ntype Builtin = [\s\S]*$/g, ''],
  [/\nexport const protobuf(Package|FileName) = .*\n/g, ''],
  [/\n *options: \{\},/g, ''],
];
const optional: readonly Rewrite[] = [
  [/\nexport namespace \w+ \{\n[\s\S]*?\n\}\n/g, ''],
  [/: typeof (\w+)\[keyof typeof \1\]/g, ': (typeof $1)[keyof typeof $1]'],
];
const forbidden = /longToNumber|BigInt\.as|__tsProto|DeepPartial<T>|@bufbuild/;

execFileSync(join(root, 'node_modules/.bin/buf'), ['generate'], { cwd: root, stdio: 'inherit' });
const found = rewrites.map(() => 0);
const files = globSync('**/*.ts', { cwd: generated }).map((name) => join(generated, name));
for (const file of files) {
  let text = readFileSync(file, 'utf8');
  rewrites.forEach(([what, by], at) => {
    text = text.replace(what, (match, ...groups: string[]) => {
      found[at] = (found[at] ?? 0) + 1;
      return by.replace(/\$(\d)/g, (_, group: string) => groups[Number(group) - 1] ?? match);
    });
  });
  for (const [what, by] of optional) text = text.replace(what, by);
  const here = relative(dirname(file), join(root, 'src/wire'));
  text = text.replace(
    /import \{ BinaryReader, BinaryWriter \} from .*;/,
    [
      `import type { DeepPartial, MessageFns } from '${here}/message.ts';`,
      `import { BinaryReader } from '${here}/reader.ts';`,
      `import { BinaryWriter } from '${here}/writer.ts';`,
    ].join('\n'),
  );
  const left = forbidden.exec(text);
  if (left !== null) throw new Error(`${file}: still contains ${left[0]}`);
  writeFileSync(file, text);
}
found.forEach((count, at) => {
  if (count === 0) throw new Error(`nothing matches ${rewrites[at]?.[0]}`);
});
execFileSync(join(root, 'node_modules/.bin/biome'), ['format', '--write', generated], {
  cwd: root,
  stdio: 'inherit',
});
