// For the tests of the log.
import { type ManualRuntime, manualRuntime } from '../../runtime/testing.ts';
import { type FencedLog, type FencedLogOptions, fencedLog, type LogReadOptions } from './index.ts';

export const bytes = (text: string) => new TextEncoder().encode(text);
export const path = '/data/journal';
export const leader = (token: number, name = 'jobs') => ({ name, token, assertHeld() {} });

export async function setUp(
  options: FencedLogOptions = {},
): Promise<{ readonly runtime: ManualRuntime; readonly log: FencedLog }> {
  const runtime = manualRuntime();
  await runtime.disk.makeFolder('/data');
  await runtime.disk.syncFolder('/');
  return { runtime, log: fencedLog(path, { runtime, ...options }) };
}

/** Each record as "sequence token text". */
export async function records(log: FencedLog, options?: LogReadOptions): Promise<string[]> {
  const found = [];
  for await (const { sequence, token, data } of log.read(options)) {
    found.push(`${sequence} ${token} ${new TextDecoder().decode(data)}`);
  }
  return found;
}
