// Keys of NATS, and what a server and a user need of them where users log in by a JWT.
import { nkeys } from '@nats-io/transport-node';

type Key = ReturnType<typeof nkeys.createUser>;

/** A user's key: its public part for the server, its seed for the user. */
export function natsKey(): { readonly publicKey: string; readonly seed: string } {
  const user = nkeys.createUser();
  return { publicKey: user.getPublicKey(), seed: seedOf(user) };
}

/** A configuration that lets one user in, with JetStream for its account, and the file of that user, as nsc writes it. */
export function natsCredentials(): { readonly configuration: string; readonly file: string } {
  const operator = nkeys.createOperator();
  const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const unlimited = { subs: -1, data: -1, payload: -1 };
  const limits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const jetStream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accounts = [
    [account, { ...limits, ...jetStream }],
    [system, limits],
  ] as const;
  const resolved = accounts.map(
    ([key, limits]) => `${key.getPublicKey()}: ${signed(operator, key, { type: 'account', limits })}`,
  );
  const system_account = system.getPublicKey();
  return {
    configuration: `operator: ${signed(operator, operator, { type: 'operator', system_account })}
system_account: ${system_account}
resolver: MEMORY
resolver_preload: {
${resolved.join('\n')}
}
`,
    file: `-----BEGIN NATS USER JWT-----
${signed(account, user, { type: 'user', ...unlimited })}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seedOf(user)}
------END USER NKEY SEED------
`,
  };
}

function signed(issuer: Key, subject: Key, claims: object): string {
  const sub = subject.getPublicKey();
  const [head, body] = [
    { typ: 'JWT', alg: 'ed25519-nkey' },
    { jti: sub, iat: 1, iss: issuer.getPublicKey(), name: sub, sub, nats: { ...claims, version: 2 } },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  const text = `${head}.${body}`;
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`;
}

function seedOf(key: Key): string {
  return Buffer.from(key.getSeed()).toString();
}
