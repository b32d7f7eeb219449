const authorityRemedy =
  'Give the authority that signed it as trusted (--trusted-ca-file, --peer-trusted-ca-file, or --cacert on a client).';

/** What went wrong in a handshake and what to do, by the codes of Node and OpenSSL, from the side that saw it. */
const explanations: readonly [code: RegExp, text: string][] = [
  [
    /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE)$/,
    `the certificate of the other side is signed by an authority that is not trusted here. ${authorityRemedy}`,
  ],
  [
    /^CERT_HAS_EXPIRED$/,
    'the certificate of the other side has expired. Renew it; the files are read again by themselves.',
  ],
  [/^CERT_REVOKED$/, 'the certificate of the other side was revoked by its authority. Give it another one.'],
  [
    /^(UNABLE_TO_GET_CRL|CRL_HAS_EXPIRED|CRL_NOT_YET_VALID|CRL_SIGNATURE_FAILURE|UNABLE_TO_DECRYPT_CRL_SIGNATURE|ERROR_IN_CRL_(LAST|NEXT)_UPDATE_FIELD|UNABLE_TO_GET_CRL_ISSUER|CRL_PATH_VALIDATION_ERROR)$/,
    'whether the certificate of the other side is revoked cannot be told: the list of its authority is missing, out of date or not signed by it. Put a fresh list of every authority into the file (--client-crl-file, --peer-crl-file); it is read again by itself.',
  ],
  [/^CERT_NOT_YET_VALID$/, "the certificate of the other side is not valid yet. Compare both hosts' clocks."],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'the certificate of the other side is for other names than the address that was dialled. Issue it with that name or IP address in its subjectAltName.',
  ],
  [
    /^ERR_SSL_(PEER_DID_NOT_RETURN_A_CERTIFICATE|TLSV13_ALERT_CERTIFICATE_REQUIRED|SSLV3_ALERT_BAD_CERTIFICATE|TLSV1_ALERT_UNKNOWN_CA|TLSV1_ALERT_CERTIFICATE_REQUIRED)/,
    'a certificate signed by the trusted authority is required, and was not shown or not accepted. A client gives one with --cert and --key, a member with --peer-cert-file and --peer-key-file; the authority that signed it must be the trusted one of the other side.',
  ],
  [
    /^ERR_SSL_(WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|HTTPS_PROXY_REQUEST)/,
    'the other side speaks no TLS here. Write http:// for a port without TLS, https:// for one with it.',
  ],
  [
    /^ERR_SSL_(UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|TLSV1_ALERT_PROTOCOL_VERSION|VERSION_TOO_LOW)/,
    'the two sides have no version of TLS in common; 1.2 is the least.',
  ],
  [
    /^ERR_SSL_(NO_SHARED_CIPHER|SSLV3_ALERT_HANDSHAKE_FAILURE|SSL\/TLS_ALERT_HANDSHAKE_FAILURE)/,
    'the two sides have no cipher suite in common: see --cipher-suites.',
  ],
  [/^ERR_TLS_HANDSHAKE_TIMEOUT$/, 'the handshake was not finished in time.'],
];

/** Why a TLS connection failed, with the remedy where one is known; undefined for what is not TLS's doing. */
export function explainTlsError(error: Error): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  const known = explanations.find(([pattern]) => pattern.test(code ?? ''));
  if (known !== undefined) return `TLS: ${known[1]} (${code})`;
  return code?.startsWith('ERR_SSL') || code?.startsWith('ERR_TLS')
    ? `TLS: ${error.message} (${code})`
    : undefined;
}
