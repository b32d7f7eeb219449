import { readFile } from 'node:fs/promises';
import { CommandFailure } from '../failure.ts';

/** What the YAML file holds. @throws CommandFailure 'usage': it cannot be read, or is not YAML */
export async function readConfigurationFile(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new CommandFailure('usage', `--config-file: ${error.message}`, { cause: error });
  });
  // Most members have no such file and need not hold its parser.
  const { parse } = await import('yaml');
  try {
    return parse(text);
  } catch (error) {
    throw new CommandFailure('usage', `--config-file: ${path} is not YAML: ${(error as Error).message}`);
  }
}
