import { resolve } from 'node:path';
import type { AuthOptions } from '../../api/index.ts';
import type { TlsOptions } from '../../runtime/index.ts';
import { CommandFailure } from '../failure.ts';
import { type LogLevel, logLevels } from '../logging.ts';
import { parseWholeNumber } from '../numbers.ts';
import {
  comparable,
  type Endpoint,
  isWildcard,
  parseEndpoint,
  parseEndpoints,
  requireBindable,
} from '../urls.ts';
import { resolveAuth } from './auth-options.ts';
import { type ConnectionLimits, connectionLimits } from './connection-settings.ts';
import { type CorruptionOptions, resolveCorruption } from './corruption-options.ts';
import { exposureWarnings } from './exposure.ts';
import type { Setting, Settings } from './settings.ts';
import { resolveStorage, type StorageOptions } from './storage-options.ts';
import { listOf, tlsOptions } from './tls-settings.ts';

/** What a member is started with, checked as far as that is possible without touching disk or network. */
export interface ServeOptions {
  readonly name: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly listenPeerEndpoints: readonly Endpoint[];
  readonly listenClientEndpoints: readonly Endpoint[];
  readonly advertisePeerUrls: readonly string[];
  readonly advertiseClientUrls: readonly string[];
  readonly initialCluster: readonly InitialMember[];
  readonly initialClusterState: 'new' | 'existing';
  readonly initialClusterToken: string;
  readonly heartbeatIntervalMs: number | undefined;
  /** undefined: adaptive. */
  readonly electionTimeoutMs: number | undefined;
  readonly snapshotCount: number;
  readonly storage: StorageOptions;
  readonly corruption: CorruptionOptions;
  readonly auth: AuthOptions;
  readonly logLevel: LogLevel;
  readonly clientTls: TlsOptions | undefined;
  readonly peerTls: TlsOptions | undefined;
  readonly corsOrigins: readonly string[];
  readonly connections: ConnectionLimits;
  readonly listenMetricsEndpoints: readonly Endpoint[];
  /** For the log, at warning level. */
  readonly warnings: readonly string[];
}

export interface InitialMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** Turns settings into options. Throws a usage failure that names the setting and says what would do. */
export function resolveOptions(settings: Settings, workingFolder: string): ServeOptions {
  const name = checkedName(settings.name);
  const peers = resolveUrls(
    settings,
    'listen-peer-urls',
    'initial-advertise-peer-urls',
    'http://127.0.0.1:2380',
  );
  const clients = resolveUrls(
    settings,
    'listen-client-urls',
    'advertise-client-urls',
    'http://127.0.0.1:2379',
  );
  const heartbeatIntervalMs = numberOf(settings['heartbeat-interval'], 1, 10_000);
  const electionTimeoutMs = numberOf(settings['election-timeout'], 10, 50_000);
  checkTimeouts(heartbeatIntervalMs, electionTimeoutMs);
  const initialCluster = resolveCluster(settings, name, peers.advertise);
  const dialled = initialCluster.flatMap(({ peerUrls }) => peerUrls.map((url) => parseEndpoint(url, '')));
  const metrics = metricsEndpoints(settings['listen-metrics-urls']);
  const clientTls = tlsOptions(settings, 'client', [...clients.listen, ...metrics], workingFolder);
  const peerTls = tlsOptions(settings, 'peer', [...peers.listen, ...dialled], workingFolder);
  return {
    name,
    dataDir: resolve(workingFolder, settings['data-dir']?.text ?? `${name}.conclave`),
    listenPeerEndpoints: peers.listen,
    listenClientEndpoints: clients.listen,
    advertisePeerUrls: peers.advertise,
    advertiseClientUrls: clients.advertise,
    initialCluster,
    initialClusterState: oneOf(settings['initial-cluster-state'], ['new', 'existing'], 'new'),
    initialClusterToken: settings['initial-cluster-token']?.text ?? 'conclave-cluster',
    heartbeatIntervalMs,
    electionTimeoutMs,
    snapshotCount: numberOf(settings['snapshot-count'], 1, 1_000_000_000) ?? 100_000,
    storage: resolveStorage(settings),
    corruption: resolveCorruption(settings),
    auth: resolveAuth(settings),
    logLevel: oneOf(settings['log-level'], logLevels, 'info'),
    clientTls,
    peerTls,
    corsOrigins: listOf(settings.cors) ?? [],
    connections: connectionLimits(settings),
    listenMetricsEndpoints: metrics,
    warnings: exposureWarnings({
      peers: { endpoints: peers.listen, tls: peerTls },
      clients: { endpoints: clients.listen, tls: clientTls },
    }),
  };
}

function metricsEndpoints(setting: Setting | undefined): Endpoint[] {
  if (setting === undefined) return [];
  const endpoints = parseEndpoints(setting.text, setting.origin);
  for (const endpoint of endpoints) requireBindable(endpoint, setting.origin);
  return endpoints;
}

/** What of it decides which member of which cluster a data folder is. */
export type MemberIdentity = Pick<
  ServeOptions,
  'name' | 'dataDir' | 'initialCluster' | 'initialClusterToken'
>;

/** The same settings for a folder that is made before its member runs: nothing listens, nothing is encrypted yet. */
export function resolveIdentity(settings: Settings, workingFolder: string): MemberIdentity {
  const name = checkedName(settings.name);
  const fallback = 'http://127.0.0.1:2380';
  const { advertise } = resolveUrls(settings, 'listen-peer-urls', 'initial-advertise-peer-urls', fallback);
  return {
    name,
    dataDir: resolve(workingFolder, settings['data-dir']?.text ?? `${name}.conclave`),
    initialCluster: resolveCluster(settings, name, advertise),
    initialClusterToken: settings['initial-cluster-token']?.text ?? 'conclave-cluster',
  };
}

function checkedName(setting: Setting | undefined): string {
  const name = setting?.text ?? 'default';
  if (/^[^\s,=/]+$/.test(name) && name.length <= 128) return name;
  throw new CommandFailure(
    'usage',
    `${setting?.origin}: '${name}' is not a member's name: 1 to 128 characters without spaces, '=', ',' and '/'.`,
  );
}

function resolveUrls(
  settings: Settings,
  listenFlag: 'listen-peer-urls' | 'listen-client-urls',
  advertiseFlag: 'initial-advertise-peer-urls' | 'advertise-client-urls',
  fallback: string,
): { listen: Endpoint[]; advertise: string[] } {
  const listenSetting = settings[listenFlag] ?? { text: fallback, origin: `--${listenFlag}` };
  const listen = parseEndpoints(listenSetting.text, listenSetting.origin);
  for (const endpoint of listen) requireBindable(endpoint, listenSetting.origin);
  requireDistinct(listen, listenSetting.origin);
  const advertiseSetting = settings[advertiseFlag];
  const advertised =
    advertiseSetting === undefined ? listen : parseEndpoints(advertiseSetting.text, advertiseSetting.origin);
  const wildcard = advertised.find((endpoint) => isWildcard(endpoint.host));
  if (wildcard !== undefined) {
    throw new CommandFailure(
      'usage',
      advertiseSetting === undefined
        ? `${listenSetting.origin} listens on all interfaces (${wildcard.url}), so nobody can be told where to connect: ` +
            `give --${advertiseFlag} with an address that others can reach.`
        : `${advertiseSetting.origin}: nobody can connect to ${wildcard.url}. Give an address that others can reach.`,
    );
  }
  requireDistinct(advertised, (advertiseSetting ?? listenSetting).origin);
  return { listen, advertise: advertised.map((endpoint) => endpoint.url) };
}

function requireDistinct(endpoints: readonly Endpoint[], origin: string): void {
  const seen = new Set<string>();
  for (const { url } of endpoints) {
    if (seen.has(comparable(url))) throw new CommandFailure('usage', `${origin}: ${url} stands there twice.`);
    seen.add(comparable(url));
  }
}

function resolveCluster(
  settings: Settings,
  name: string,
  advertisePeerUrls: readonly string[],
): InitialMember[] {
  const setting = settings['initial-cluster'];
  if (setting === undefined) return [{ name, peerUrls: [...advertisePeerUrls] }];
  const members = parseInitialCluster(setting);
  const own = members.find((member) => member.name === name);
  if (own === undefined) {
    const names = members.map((member) => member.name).join(', ');
    throw new CommandFailure(
      'usage',
      `--name: '${name}' is not in ${setting.origin}, which has ${names}. Each member's name must stand there.`,
    );
  }
  const advertised = advertisePeerUrls.map(comparable).sort().join();
  if (own.peerUrls.map(comparable).sort().join() !== advertised) {
    throw new CommandFailure(
      'usage',
      `--initial-advertise-peer-urls is ${advertisePeerUrls.join(',')}, but ${setting.origin} has ` +
        `${own.peerUrls.map((url) => `${name}=${url}`).join(',')}. The two must be the same.`,
    );
  }
  return members;
}

function parseInitialCluster(setting: Setting): InitialMember[] {
  const members = new Map<string, string[]>();
  const ownerOfUrl = new Map<string, string>();
  for (const part of setting.text.split(',').map((text) => text.trim())) {
    const separator = part.indexOf('=');
    if (separator < 1) {
      throw new CommandFailure(
        'usage',
        `${setting.origin}: '${part}' is malformed. Write each member as NAME=URL.`,
      );
    }
    const memberName = part.slice(0, separator);
    const { url } = parseEndpoint(part.slice(separator + 1), setting.origin);
    const owner = ownerOfUrl.get(comparable(url));
    if (owner !== undefined) {
      throw new CommandFailure(
        'usage',
        `${setting.origin}: ${url} stands there twice, for ${owner} and ${memberName}.`,
      );
    }
    ownerOfUrl.set(comparable(url), memberName);
    members.set(memberName, [...(members.get(memberName) ?? []), url]);
  }
  return [...members].map(([memberName, peerUrls]) => ({ name: memberName, peerUrls }));
}

/** etcd's rule, for the same reason: one lost heartbeat must not look like a dead leader. */
function checkTimeouts(heartbeatIntervalMs: number | undefined, electionTimeoutMs: number | undefined): void {
  if (electionTimeoutMs === undefined) return;
  const heartbeat = heartbeatIntervalMs ?? 100;
  if (heartbeatIntervalMs === undefined || electionTimeoutMs >= 5 * heartbeat) return;
  throw new CommandFailure(
    'usage',
    `--election-timeout: ${electionTimeoutMs} ms is less than five heartbeats of ${heartbeat} ms. Raise it, or ` +
      'lower --heartbeat-interval.',
  );
}

function numberOf(setting: Setting | undefined, least: number, most: number): number | undefined {
  return setting === undefined ? undefined : parseWholeNumber(setting.text, setting.origin, least, most);
}

function oneOf<Value extends string>(
  setting: Setting | undefined,
  values: readonly Value[],
  fallback: Value,
): Value {
  if (setting === undefined) return fallback;
  const value = values.find((candidate) => candidate === setting.text);
  if (value !== undefined) return value;
  throw new CommandFailure('usage', `${setting.origin}: '${setting.text}' is none of ${values.join(', ')}.`);
}
