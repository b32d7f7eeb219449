import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Options of this script. What it does not know is refused with a line, not a trace. */
export function options<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>>['values'] {
  try {
    return parseArgs(config).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

/** A whole number from 1 up. */
export function countOf(name: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  return refuse(`${name} is ${text}; it must be a whole number from 1 up.`);
}

/** For a script that takes none. */
export function noArguments(): void {
  const [first] = process.argv.slice(2);
  if (first !== undefined) refuse(`It takes no arguments, such as ${first}.`);
}

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}
