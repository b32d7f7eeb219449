import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/** Whether the host is an IP address, and no name. */
export function isAddress(host: string): boolean {
  return isIP(host) !== 0;
}

/** Why a verified certificate is not one of that host; undefined: it is. */
export function certificateIsFor(host: string, certificate: PeerCertificate): Error | undefined {
  return checkServerIdentity(host, certificate);
}
