// The examples of README.md: every fenced block in a language that can be run, by the name behind the language.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Example {
  /** "report.ts", or what a shell block does: "serve". */
  readonly name: string;
  readonly language: 'ts' | 'js' | 'sh';
  readonly code: string;
}

const root = join(import.meta.dirname, '../..');
const languages: readonly string[] = ['ts', 'typescript', 'js', 'javascript', 'sh', 'bash', 'shell'];

/** @throws Error for a block that can be run and has no name of its own, since no test could know what it is for. */
export function readmeExamples(text = readFileSync(join(root, 'README.md'), 'utf8')): readonly Example[] {
  const examples: Example[] = [];
  for (const match of text.matchAll(/^```(\S*)[ \t]*(.*)\n([\s\S]*?)^```$/gm)) {
    const [, language = '', name = '', code = ''] = match;
    if (language === '') throw new Error(`a block without a language:\n${code}`);
    if (!languages.includes(language)) continue;
    if (language !== 'ts' && language !== 'js' && language !== 'sh')
      throw new Error(`write ts, js or sh, not ${language}:\n${code}`);
    if (name === '') throw new Error(`a block without a name:\n${code}`);
    examples.push({ name, language, code });
  }
  return examples;
}
