/** What notifications of PostgreSQL say: which election changed, and with a proof of it who leads since. */
import type { DocumentChange, Led } from '../documents/index.ts';

export function payloadOf(name: string, led: Led | undefined): string {
  if (led?.proof === undefined) return `election ${name}`;
  return `led ${led.session} ${led.version} ${led.proof} ${name}`;
}

/** 'all': anything may have been missed, or it is of a release that says more than this one knows. */
export function changeOf(payload: string | undefined): DocumentChange {
  const [, named] = /^election (.+)$/s.exec(payload ?? '') ?? [];
  if (named !== undefined) return { kind: 'election', name: named };
  const [, session, version, proof, name] =
    /^led ([\da-f]{32}) (\d{1,15}) ([\w-]{43}) (.+)$/s.exec(payload ?? '') ?? [];
  if (session === undefined || proof === undefined || name === undefined) return 'all';
  return { kind: 'election', name, led: { session, version: Number(version), proof } };
}
