import { resolve } from 'node:path';
import type { TlsOptions } from '../../runtime/index.ts';
import { CommandFailure } from '../failure.ts';
import type { Endpoint } from '../urls.ts';
import type { Setting, Settings } from './settings.ts';

const flagNames = {
  client: {
    certificate: 'cert-file',
    key: 'key-file',
    authority: 'trusted-ca-file',
    required: 'client-cert-auth',
    names: 'client-cert-allowed-cn',
    hostnames: 'client-cert-allowed-hostname',
    revocations: 'client-crl-file',
  },
  peer: {
    certificate: 'peer-cert-file',
    key: 'peer-key-file',
    authority: 'peer-trusted-ca-file',
    required: 'peer-client-cert-auth',
    names: 'peer-cert-allowed-cn',
    hostnames: 'peer-cert-allowed-hostname',
    revocations: 'peer-crl-file',
  },
} as const;

/**
 * How one side is secured; undefined: by nothing. `endpoints` are those that it listens on or dials: https:// among
 * them asks for a certificate.
 */
export function tlsOptions(
  settings: Settings,
  side: 'client' | 'peer',
  endpoints: readonly Endpoint[],
  workingFolder: string,
): TlsOptions | undefined {
  const flags = flagNames[side];
  const path = (setting: Setting | undefined): string | undefined =>
    setting === undefined ? undefined : resolve(workingFolder, setting.text);
  const [certificateFile, keyFile] = [path(settings[flags.certificate]), path(settings[flags.key])];
  if (certificateFile === undefined || keyFile === undefined) {
    refuseHalf(settings, side, endpoints);
    return undefined;
  }
  const required = booleanOf(settings[flags.required]);
  const authorityFile = path(settings[flags.authority]);
  if (required === true && authorityFile === undefined) {
    throw usage(
      `--${flags.required} asks for certificates: give --${flags.authority}, the authority that signs them.`,
    );
  }
  const [names, hostnames] = [listOf(settings[flags.names]), listOf(settings[flags.hostnames])];
  if ((names ?? hostnames) !== undefined && authorityFile === undefined) {
    throw usage(
      `--${flags.names} and --${flags.hostnames} need --${flags.authority}: names that nobody signed say nothing.`,
    );
  }
  const revocationFile = path(settings[flags.revocations]);
  if (revocationFile !== undefined && authorityFile === undefined) {
    throw usage(
      `--${flags.revocations} needs --${flags.authority}: without it nobody is asked for a certificate.`,
    );
  }
  return {
    certificateFile,
    keyFile,
    ...(authorityFile !== undefined && { authorityFile }),
    ...(revocationFile !== undefined && { revocationFile }),
    // As in etcd: an authority that is given is there to be asked.
    requireCertificate: authorityFile !== undefined,
    // And who somebody is, certificates tell only where that was asked for.
    usersByCommonName: required === true,
    ...(names && { allowedCommonNames: names }),
    ...(hostnames && { allowedHostnames: hostnames }),
    ...ciphersOf(settings['cipher-suites']),
    minVersion: minVersionOf(settings['tls-min-version']),
  };
}

function refuseHalf(settings: Settings, side: 'client' | 'peer', endpoints: readonly Endpoint[]): void {
  const flags = flagNames[side];
  // That nobody must show a certificate needs none, and etcd's own file says so of both sides.
  const off = booleanOf(settings[flags.required]) === false;
  const given = Object.values(flags).filter(
    (name) => settings[name] !== undefined && !(off && name === flags.required),
  );
  const pair = `--${flags.certificate} and --${flags.key}`;
  const secure = endpoints.find((endpoint) => endpoint.secure);
  if (secure !== undefined) throw usage(`${secure.url} asks for TLS: give ${pair}, or write http://.`);
  if (given.length > 0) throw usage(`--${given[0]} does nothing without ${pair}.`);
}

export function booleanOf(setting: Setting | undefined): boolean | undefined {
  if (setting === undefined) return undefined;
  if (/^(true|1|t)$/i.test(setting.text)) return true;
  if (/^(false|0|f)$/i.test(setting.text)) return false;
  throw usage(`${setting.origin}: '${setting.text}' is neither true nor false.`);
}

export function listOf(setting: Setting | undefined): string[] | undefined {
  return setting?.text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function minVersionOf(setting: Setting | undefined): 'TLSv1.2' | 'TLSv1.3' {
  if (setting === undefined || /^TLSv?1\.2$/i.test(setting.text)) return 'TLSv1.2';
  if (/^TLSv?1\.3$/i.test(setting.text)) return 'TLSv1.3';
  throw usage(`${setting.origin}: '${setting.text}' is none of TLS1.2, TLS1.3.`);
}

/** etcd's flag takes the names of the standard; those of TLS 1.3 are OpenSSL's too. */
function ciphersOf(setting: Setting | undefined): { cipherSuites?: string } {
  const names = listOf(setting);
  if (names === undefined) return {};
  return { cipherSuites: names.map(opensslName).join(':') };
}

function opensslName(name: string): string {
  const match =
    /^TLS_(ECDHE_RSA|ECDHE_ECDSA|RSA)_WITH_(AES_\d+|CHACHA20_POLY1305)(?:_(CBC|GCM))?(?:_(SHA\d*))?$/.exec(
      name,
    );
  if (match === null) return name;
  const [, exchange = '', cipher = '', mode, digest] = match;
  const parts = [
    exchange === 'RSA' ? '' : exchange.replace('_', '-'),
    cipher.replace(/AES_/, 'AES').replace('_', '-'),
    mode === 'GCM' ? 'GCM' : '',
    cipher.startsWith('CHACHA20') ? '' : (digest ?? ''),
  ];
  return parts.filter((part) => part !== '').join('-');
}

function usage(text: string): CommandFailure {
  return new CommandFailure('usage', text);
}
