import { formatDuration } from '../../durations.ts';
import { calledOf } from '../../members.ts';
import { formatBytes } from '../../status.ts';
import { deviations } from './clock-rate.ts';
import type { CheckedMember, MemberFacts, Observations } from './gather.ts';

export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem';
  readonly what: string;
  /** What to do about it. */
  readonly advice?: string;
}

const limits = {
  /** etcd's advice for its disks, and where elections come into danger. */
  diskMs: { warning: 10, problem: 100 },
  loopMs: { warning: 50, problem: 250 },
  writeMs: { warning: 100, problem: 1000 },
  /** Of the default `clockDriftRate` of 1 % that elections count with. */
  clock: { warning: 0.002, problem: 0.01 },
  entriesBehind: 5000,
  quotaShare: 0.8,
  /** Of fewer writes the 99th percentile is the slowest one, as the first one after a start often is. */
  fewestSyncs: 200,
};

interface Answering extends CheckedMember {
  readonly facts: MemberFacts;
}

/** What is good and what is not, the worst of each kind; one line each. */
export function judgeCluster(observations: Observations): Finding[] {
  const { members } = observations;
  const answering = members.filter((member): member is Answering => member.facts !== undefined);
  if (answering.length === 0) return silent(members);
  const all = answering.length === members.length ? 'all' : 'all that answer';
  return [
    ...judgeReach(members, answering),
    ...judgeLeader(answering),
    ...judgeRequests(observations),
    ...judgeAlarms(observations),
    ...judgeVersions(answering, all),
    ...judgeProgress(answering, all),
    ...judgeDisks(answering),
    ...judgeLoops(answering),
    ...judgeClocks(answering),
    ...judgeSizes(answering),
    ...judgeQuotas(answering),
  ];
}

function silent(members: readonly CheckedMember[]): Finding[] {
  return members.map((member) => ({
    level: 'problem',
    what: `${calledOf(member)} does not answer: ${member.error}`,
    advice: 'Start the members, or give the right --endpoints.',
  }));
}

function judgeReach(members: readonly CheckedMember[], answering: readonly Answering[]): Finding[] {
  const voters = members.filter(({ learner }) => !learner).length;
  const up = answering.filter(({ learner }) => !learner).length;
  const majority = Math.floor(voters / 2) + 1;
  const counted = voters < members.length ? `${voters} voters` : `${voters}`;
  const rest =
    `${up} of ${counted} answer; requests need ${majority}` +
    (up === majority && voters > 1 ? ', so none more may fail.' : '.');
  const findings: Finding[] = members
    .filter((member) => member.facts === undefined)
    .map((member) => ({
      level: member.learner ? 'warning' : 'problem',
      what: `${calledOf(member)} does not answer: ${member.error}`,
      advice: `${member.name === '' && member.endpoint === '' ? 'Start it with what it was added with' : 'Look at its log and start it'}${
        member.learner ? '; it is a learner, and requests do without it.' : `. ${rest}`
      }`,
    }));
  for (const member of answering) {
    const missing = member.facts.disconnectedFrom.filter((name) =>
      answering.some((other) => other.name === name),
    );
    if (missing.length === 0) continue;
    findings.push({
      level: 'problem',
      what: `${calledOf(member)} has no connection to ${missing.join(', ')}, though both run`,
      advice: 'Look at firewalls and at the peer URLs, which must be reachable from every member.',
    });
  }
  const well = `${members.length} of ${members.length} members answer, each connected to all others`;
  return findings.length > 0 ? findings : [{ level: 'ok', what: well }];
}

function judgeLeader(answering: readonly Answering[]): Finding[] {
  const seen = new Set(answering.map(({ facts }) => facts.leader));
  const [leader = 0] = seen;
  if (seen.size === 1 && leader !== 0) {
    const found = answering.find(({ facts }) => facts.memberId === leader);
    const term = found?.facts.term ?? answering[0]?.facts.term;
    const who = found === undefined ? 'a member that does not answer' : calledOf(found);
    return [{ level: 'ok', what: `${who} leads in term ${term}, and all say so` }];
  }
  const advice =
    'If that stays so, a majority is not running or not connected: look at the other findings. If leaders change again ' +
    'and again, at disks, loop delays and the network.';
  if (seen.size === 1) return [{ level: 'problem', what: 'no member knows a leader', advice }];
  const told = answering
    .map((member) => `${calledOf(member)}: ${member.facts.leader.toString(16)}`)
    .join(', ');
  return [{ level: 'problem', what: `members do not agree on who leads (${told})`, advice }];
}

function judgeRequests({ readMs, writeMs }: Observations): Finding[] {
  const findings: Finding[] = [];
  for (const [what, took] of [
    ['A read', readMs],
    ['A write', writeMs],
  ] as const) {
    if (typeof took === 'string') {
      findings.push({
        level: 'problem',
        what: `${what.toLowerCase()} failed: ${took}`,
        advice: whyRefused(took),
      });
      continue;
    }
    const level = levelOf(took, limits.writeMs);
    const advice = 'Disks, loops or the network between the members are slow: see the findings below.';
    findings.push({
      level,
      what: `${what.toLowerCase()} took ${formatDuration(took)}`,
      ...(level !== 'ok' && { advice }),
    });
  }
  return findings;
}

const whyRefused = (error: string) =>
  error.endsWith('permission denied')
    ? 'The check reads a key and the alarms, and grants leases: make it as a user that may, such as root (--user).'
    : 'See the other findings; an alarm, or a missing majority, refuses requests.';

const alarmAdvice: Readonly<Record<string, string>> = {
  NOSPACE:
    'The quota is used up, and writes are refused. Delete keys, `conclave compact`, then `conclave alarm disarm`; or ' +
    'start the members with a larger --quota-backend-bytes first.',
  CORRUPT:
    "Its data differs from the others'. `conclave member replace` gives that member a new identity and an empty folder; " +
    'then `conclave alarm disarm`. Where it names no member, find out by `conclave snapshot status` of a backup of each, and ' +
    'restore a good one.',
};

function judgeAlarms({ alarms }: Observations): Finding[] {
  if (typeof alarms === 'string') {
    const advice = `${whyRefused(alarms)} Whether an alarm is raised is not known until then.`;
    return [{ level: 'problem', what: `the alarms could not be read: ${alarms}`, advice }];
  }
  if (alarms.length === 0) return [{ level: 'ok', what: 'no alarm is raised' }];
  return alarms.map(({ member, name, alarm }) => ({
    level: 'problem',
    what: `alarm ${alarm} of ${member === '0' ? 'the cluster' : name === '' ? `member ${member}` : name}`,
    advice: alarmAdvice[alarm] ?? 'See docs/guides/operating.md.',
  }));
}

function judgeVersions(answering: readonly Answering[], all: string): Finding[] {
  const versions = [...new Set(answering.map(({ facts }) => facts.version))].sort();
  if (versions.length === 1) return [{ level: 'ok', what: `${all} run version ${versions[0]}` }];
  const what = `members run different versions: ${versions.join(', ')}`;
  return [{ level: 'warning', what, advice: 'Finish the upgrade: this is meant to last hours, not weeks.' }];
}

function judgeProgress(answering: readonly Answering[], all: string): Finding[] {
  const most = Math.max(...answering.map(({ facts }) => facts.commitIndex));
  const behind = answering.filter(({ facts }) => most - facts.appliedIndex > limits.entriesBehind);
  if (behind.length === 0) return [{ level: 'ok', what: `${all} have applied what is committed` }];
  return behind.map((member) => ({
    level: 'warning',
    what: `${calledOf(member)} is ${most - member.facts.appliedIndex} entries behind`,
    advice: 'It is catching up, or its disk or processor cannot keep pace: look again in a minute.',
  }));
}

function judgeDisks(answering: readonly Answering[]): Finding[] {
  const measured = answering.filter(({ facts }) => facts.diskSyncs >= limits.fewestSyncs);
  const few = answering.filter((member) => !measured.includes(member));
  const untold: Finding[] = few.map((member) => ({
    level: 'ok',
    what: `${calledOf(member)} has made too few writes durable to tell of its disk (${member.facts.diskSyncs} since its start)`,
  }));
  if (measured.length === 0) return untold;
  const judged = judgeEach(measured, {
    value: ({ facts }) => facts.diskSyncP99Ms,
    limits: limits.diskMs,
    good: (worst) => `writes are durable within ${formatDuration(worst)} (99th percentile, slowest member)`,
    bad: (value) => `takes ${formatDuration(value)} to make a write durable (99th percentile)`,
    advice:
      'Put its data folder on a local solid-state disk that nothing else uses heavily; every write waits for a majority of ' +
      'the disks.',
  });
  return [...judged, ...untold];
}

function judgeLoops(answering: readonly Answering[]): Finding[] {
  return judgeEach(answering, {
    value: ({ facts }) => facts.loopDelayP99Ms,
    limits: limits.loopMs,
    good: (worst) => `no event loop is late by more than ${formatDuration(worst)} (99th percentile)`,
    bad: (value) => `reacts ${formatDuration(value)} late (99th percentile)`,
    advice:
      'Its processor is short: give it a core of its own, look for other programs, swapping or a throttled container; or ' +
      'ask less of it (very large ranges and transactions hold everything else up).',
  });
}

function judgeClocks(answering: readonly Answering[]): Finding[] {
  const measured = answering.filter(({ facts }) => facts.clock !== undefined);
  if (measured.length < 2) return [];
  const apart = deviations(measured.map(({ facts }) => facts.clock ?? { rate: 0, uncertainty: 0 }));
  return judgeEach(measured, {
    value: (member) => apart[measured.indexOf(member)] ?? 0,
    limits: limits.clock,
    good: (worst) => `clocks run alike to within ${percent(worst)}`,
    bad: (value) => `has a clock that runs ${percent(value)} faster or slower than the others'`,
    advice:
      "Leases count on clocks that keep time to within 1 % (clockDriftRate): repair the machine's time source, or move the " +
      'member. Clocks need not show the same time.',
  });
}

function judgeSizes(answering: readonly Answering[]): Finding[] {
  const share = ({ facts }: Answering) => (facts.quotaBytes > 0 ? facts.sizeBytes / facts.quotaBytes : 0);
  const fullest = [...answering].sort((a, b) => share(b) - share(a))[0] as Answering;
  const { sizeBytes, quotaBytes } = fullest.facts;
  if (quotaBytes <= 0) return [{ level: 'ok', what: `${formatBytes(sizeBytes)} stored, without a quota` }];
  const what = `${formatBytes(sizeBytes)} of ${formatBytes(quotaBytes)} (the quota) are used`;
  if (share(fullest) < limits.quotaShare) return [{ level: 'ok', what }];
  const advice =
    'Delete what is not needed and compact (`conclave compact`, --auto-compaction-retention), or raise ' +
    '--quota-backend-bytes on all members, before writes are refused.';
  return [{ level: 'warning', what, advice }];
}

/** The member that is asked refuses by its own quota, so where they differ it is chance which of them counts. */
function judgeQuotas(answering: readonly Answering[]): Finding[] {
  const quotas = new Set(answering.map(({ facts }) => facts.quotaBytes));
  if (quotas.size < 2) return [];
  const told = answering.map((member) => {
    const { quotaBytes } = member.facts;
    return `${calledOf(member)}: ${quotaBytes > 0 ? formatBytes(quotaBytes) : 'none'}`;
  });
  const advice =
    'Start all of them with the same --quota-backend-bytes: writes are refused as soon as the smallest is used up.';
  return [{ level: 'warning', what: `members have different quotas (${told.join(', ')})`, advice }];
}

interface Measure {
  readonly value: (member: Answering) => number;
  readonly limits: { readonly warning: number; readonly problem: number };
  readonly good: (worst: number) => string;
  readonly bad: (value: number) => string;
  readonly advice: string;
}

function judgeEach(members: readonly Answering[], measure: Measure): Finding[] {
  const beyond = members.filter((member) => measure.value(member) > measure.limits.warning);
  if (beyond.length === 0) {
    return [{ level: 'ok', what: measure.good(Math.max(...members.map(measure.value))) }];
  }
  return beyond.map((member) => ({
    level: levelOf(measure.value(member), measure.limits),
    what: `${calledOf(member)} ${measure.bad(measure.value(member))}`,
    advice: measure.advice,
  }));
}

function levelOf(value: number, { warning, problem }: Measure['limits']): Finding['level'] {
  return value > problem ? 'problem' : value > warning ? 'warning' : 'ok';
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
