/** From when until when a certificate is taken, in milliseconds since the Unix epoch. */
export interface Validity {
  readonly fromMs: number;
  readonly untilMs: number;
}

const soonMs = 7 * 24 * 3600 * 1000;

/** What there is to say of a certificate's time; undefined: nothing. Dates are in UTC. */
export function outOfTime({ fromMs, untilMs }: Validity, nowMs: number): string | undefined {
  const [from, until] = [fromMs, untilMs].map((ms) => new Date(ms).toISOString());
  if (nowMs < fromMs)
    return `The certificate is not valid before ${from}, so nobody takes it yet. Set this machine's clock right, or replace it.`;
  const renewed = 'Renew it; the files are read again by themselves.';
  if (nowMs > untilMs) return `The certificate has expired at ${until}, so nobody takes it. ${renewed}`;
  if (untilMs - nowMs < soonMs) return `The certificate expires at ${until}. ${renewed}`;
  return undefined;
}
