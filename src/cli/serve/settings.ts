import { CommandFailure } from '../failure.ts';
import {
  configFileFlag,
  isServeFlag,
  otherVariables,
  refusalOfEtcdFlag,
  type ServeFlagName,
  variableOf,
} from './flags.ts';

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

/** etcd's variables of flags that are taken here too, and how they are written here: nothing reads them. */
export function variablesOfEtcd(
  environment: Readonly<Record<string, string | undefined>>,
): [string, string][] {
  return Object.entries(environment).flatMap(([variable, text]): [string, string][] => {
    const name = /^ETCD_([A-Z_]+)$/.exec(variable)?.[1]?.toLowerCase().replaceAll('_', '-') ?? '';
    if (!(isServeFlag(name) || name === configFileFlag) || text === undefined || text === '') return [];
    const ours = variableOf(name);
    // Who sets both knows.
    return environment[ours] === undefined ? [[variable, ours]] : [];
  });
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
  for (const [key, value] of Object.entries(content)) {
    const within = sections[key];
    const entries: [string, string, unknown][] =
      within === undefined
        ? [[key, `${key} in ${path}`, value]]
        : Object.entries(sectionOf(value, `${key} in ${path}`)).map(([name, of]) => [
            within[name] ?? `${key}: ${name}`,
            `${key}: ${name} in ${path}`,
            of,
          ]);
    for (const [name, origin, of] of entries) {
      const setting = settingOf(name, origin, of);
      if (setting !== undefined) settings[setting[0]] = { text: setting[1], origin };
    }
  }
  return settings;
}

/** How etcd's file says what has to do with TLS: the flags by shorter names, in two sections. */
const sections: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'client-transport-security': {
    'cert-file': 'cert-file',
    'key-file': 'key-file',
    'trusted-ca-file': 'trusted-ca-file',
    'client-cert-auth': 'client-cert-auth',
    'allowed-cn': 'client-cert-allowed-cn',
    'allowed-hostname': 'client-cert-allowed-hostname',
    'auto-tls': 'auto-tls',
  },
  'peer-transport-security': {
    'cert-file': 'peer-cert-file',
    'key-file': 'peer-key-file',
    'trusted-ca-file': 'peer-trusted-ca-file',
    'client-cert-auth': 'peer-client-cert-auth',
    'allowed-cn': 'peer-cert-allowed-cn',
    'allowed-hostname': 'peer-cert-allowed-hostname',
    'auto-tls': 'peer-auto-tls',
  },
};

function sectionOf(value: unknown, origin: string): object {
  if (value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value;
  throw new CommandFailure(
    'usage',
    `--config-file: ${origin} must hold keys and values, as 'cert-file: m1.pem'.`,
  );
}

/** undefined for what says nothing: an empty value, or a flag of etcd's alone that is off. */
function settingOf(name: string, origin: string, value: unknown): [ServeFlagName, string] | undefined {
  const known = isServeFlag(name);
  const refusal = known ? undefined : refusalOfEtcdFlag(name);
  if (!known && refusal === undefined) {
    throw new CommandFailure(
      'usage',
      `--config-file: unknown key ${origin}. The keys are the flags of serve.`,
    );
  }
  if (value === null || value === '') return undefined;
  if (known) return [name, textOfValue(value, origin)];
  if (value === false && offInEtcd.test(name)) return undefined;
  throw new CommandFailure(
    'usage',
    `--config-file: ${origin} is a setting of etcd that conclave does not take: ${refusal}.`,
  );
}

/** What etcd does not do by default, and Conclave never does. */
const offInEtcd =
  /^((peer-)?auto-tls|force-new-cluster|enable-v2|enable-pprof|debug|unsafe-no-fsync|socket-reuse-(port|address)|enable-log-rotation)$/;

/** Lists stand for comma-separated values; numbers, words, true and false for themselves. */
function textOfValue(value: unknown, origin: string): string {
  if (Array.isArray(value)) return value.map((item) => textOfValue(item, origin)).join(',');
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  throw new CommandFailure('usage', `${origin}: expected text, a number, true, false or a list of them.`);
}
