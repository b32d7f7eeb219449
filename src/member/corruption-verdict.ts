/** What one member says of its state, at the revision and index that all were asked for. */
export interface Testimony {
  readonly member: number;
  readonly hash: number;
  readonly compactRevision: number;
  readonly stateHash: number | undefined;
}

export interface Verdict {
  /** Members that differ from what a majority agrees on. */
  readonly outcasts: readonly number[];
  /** Members differ, and no majority tells who is right. */
  readonly undecided: boolean;
}

/**
 * Who is wrong. Only members that compacted alike can be compared; of the rest nothing is said. A majority is one of all
 * voters, asked or not: two that agree among five decide nothing.
 */
export function judge(testimonies: readonly Testimony[], voters: readonly number[]): Verdict {
  const byKeys = decide(testimonies, voters, ({ hash, compactRevision }) => ({
    comparable: compactRevision,
    hash,
  }));
  if (byKeys.outcasts.length > 0 || byKeys.undecided) return byKeys;
  const whole = testimonies.filter(({ stateHash }) => stateHash !== undefined);
  return decide(whole, voters, ({ stateHash }) => ({ comparable: 0, hash: stateHash ?? 0 }));
}

/** Whether all voters have said what they have, at one index and compacted alike: asked again, they would say nothing more. */
export function areComparable(testimonies: readonly Testimony[], voters: readonly number[]): boolean {
  const [first] = testimonies;
  return voters.every((voter) =>
    testimonies.some(
      ({ member, compactRevision, stateHash }) =>
        member === voter && compactRevision === first?.compactRevision && stateHash !== undefined,
    ),
  );
}

function decide(
  testimonies: readonly Testimony[],
  voters: readonly number[],
  read: (testimony: Testimony) => { readonly comparable: number; readonly hash: number },
): Verdict {
  const outcasts: number[] = [];
  let undecided = false;
  for (const comparable of new Set(testimonies.map((one) => read(one).comparable))) {
    const group = testimonies.filter((one) => read(one).comparable === comparable);
    const hashes = new Set(group.map((one) => read(one).hash));
    if (hashes.size < 2) continue;
    const majority = [...hashes].find((hash) => {
      const agreeing = group.filter((one) => read(one).hash === hash && voters.includes(one.member));
      return agreeing.length * 2 > voters.length;
    });
    if (majority === undefined) undecided = true;
    else for (const one of group) if (read(one).hash !== majority) outcasts.push(one.member);
  }
  return { outcasts, undecided };
}
