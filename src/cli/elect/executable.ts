import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where exec(3) of Linux's libraries and of macOS searches without a PATH, as in a unit or job that has none. */
const usualPath = ['/usr/local/bin', '/bin', '/usr/bin'].join(delimiter);

/**
 * Why a command cannot be run, as exec(3) would say it; undefined: it can, as far as can be told before. It is searched on
 * `path`, unless its name has a slash.
 */
export function whyNotExecutable(command: string, path: string | undefined): 'ENOENT' | 'EACCES' | undefined {
  const places = command.includes('/')
    ? [command]
    : (path ?? usualPath).split(delimiter).map((folder) => join(folder === '' ? '.' : folder, command));
  let forbidden = false;
  for (const place of places) {
    try {
      accessSync(place, constants.X_OK);
      // A folder may be searched, which is the same permission.
      if (statSync(place).isFile()) return undefined;
      forbidden = true;
    } catch (error) {
      forbidden ||= (error as NodeJS.ErrnoException).code === 'EACCES';
    }
  }
  return forbidden ? 'EACCES' : 'ENOENT';
}
