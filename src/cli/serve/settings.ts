import { CommandFailure } from '../failure.ts';
import { configFileFlag, isServeFlag, otherVariables, type ServeFlagName, variableOf } from './flags.ts';

/** One setting as it was written, and where, for messages. */
export interface Setting {
  readonly text: string;
  /** "--data-dir", "CONCLAVE_DATA_DIR", "data-dir in member.yaml". */
  readonly origin: string;
}
export type Settings = Readonly<Partial<Record<ServeFlagName, Setting>>>;

export interface SettingSources {
  readonly flags: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What the file of `path` holds, parsed. */
  readonly file: { readonly path: string; readonly content: unknown } | undefined;
}

/** A flag wins over its variable, and both over the file. An empty variable counts as absent, as in etcd. */
export function collectSettings(sources: SettingSources): Settings {
  const settings: Partial<Record<ServeFlagName, Setting>> = {};
  if (sources.file !== undefined)
    Object.assign(settings, settingsOfFile(sources.file.path, sources.file.content ?? {}));
  for (const [variable, text] of Object.entries(sources.environment)) {
    const name = flagOfVariable(variable);
    if (name !== undefined && text !== undefined && text !== '') settings[name] = { text, origin: variable };
  }
  for (const [name, text] of Object.entries(sources.flags)) {
    if (isServeFlag(name)) settings[name] = { text, origin: `--${name}` };
  }
  return settings;
}

/** Variables that begin as ours and that nothing reads: probably misspelt, so the log warns of them. */
export function unknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(environment).filter(
    (variable) =>
      variable.startsWith('CONCLAVE_') &&
      !otherVariables.has(variable) &&
      variable !== variableOf(configFileFlag) &&
      flagOfVariable(variable) === undefined,
  );
}

function flagOfVariable(variable: string): ServeFlagName | undefined {
  if (!variable.startsWith('CONCLAVE_')) return undefined;
  const name = variable.slice('CONCLAVE_'.length).toLowerCase().replaceAll('_', '-');
  return isServeFlag(name) ? name : undefined;
}

function settingsOfFile(path: string, content: unknown): Settings {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new CommandFailure('usage', `--config-file: ${path} must hold keys and values, as 'name: m1'.`);
  }
  const settings: Partial<Record<ServeFlagName, Setting>> = {};
  for (const [name, value] of Object.entries(content)) {
    const origin = `${name} in ${path}`;
    if (!isServeFlag(name)) {
      throw new CommandFailure(
        'usage',
        `--config-file: unknown key ${origin}. The keys are the flags of serve.`,
      );
    }
    settings[name] = { text: textOfValue(value, origin), origin };
  }
  return settings;
}

/** Lists stand for comma-separated values; numbers and words for themselves. */
function textOfValue(value: unknown, origin: string): string {
  if (Array.isArray(value)) return value.map((item) => textOfValue(item, origin)).join(',');
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new CommandFailure('usage', `${origin}: expected text, a number or a list of them.`);
}
