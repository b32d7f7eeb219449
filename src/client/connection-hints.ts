/** What to do about a connection that could not be made, by what gRPC says of it. */
export interface Hints {
  readonly secure: boolean;
  /** What to say where TLS failed and nothing more exact is known; '' where the caller has nothing to say. */
  readonly tlsHint: string;
}

const byReason: readonly (readonly [RegExp, string])[] = [
  [
    /certificate required|handshake failure|alert (bad certificate|unknown ca|access denied)/i,
    'The member asks for a certificate of an authority that it trusts: give one (tls.certificate and tls.key, --cert and ' +
      '--key).',
  ],
  [
    /does not match certificate's altnames/,
    "The member's certificate does not name this address: make one whose subjectAltName does, or use an address that it " +
      'names.',
  ],
  [
    /certificate has expired|certificate is not yet valid/,
    "The member's certificate is out of its time: replace it, or set the clock of this machine right.",
  ],
  [
    /self-signed certificate|unable to (verify|get) |signature failure/,
    "The member's certificate is not signed by an authority that is trusted here: give that authority " +
      '(tls.certificateAuthority, --cacert).',
  ],
  [
    /wrong version number|packet length too long/,
    'Nobody speaks TLS there: write http://, or start the member with https:// in --listen-client-urls and with ' +
      '--cert-file and --key-file.',
  ],
];

/** A sentence with a space before it, or ''. @param text gRPC's own */
export function connectionHint(text: string, { secure, tlsHint }: Hints): string {
  // Somebody listens there, and hung up on what we said first.
  if (!secure)
    return /Failed to connect \(/.test(text) ? ' A member that has TLS is reached by https://.' : '';
  // Whether nobody is there has nothing to do with TLS.
  if (tlsHint === '' || /ECONNREFUSED|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN/.test(text))
    return '';
  const [, hint = tlsHint] = byReason.find(([reason]) => reason.test(text)) ?? [];
  return ` ${hint}`;
}

/** The reason within gRPC's or OpenSSL's text, without times and places in their sources. */
export function plainReason(text: string): string {
  const openSsl = /error:[0-9A-Fa-f]+:[^:]*:[^:]*:([^:\n]+)/.exec(text);
  return (openSsl?.[1] ?? text).replace(/\s*\(\d{4}-\d\d-\d\dT[\d:.]+Z\)/, '').trim();
}
