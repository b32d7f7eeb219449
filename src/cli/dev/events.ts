/**
 * Everything that can happen in `conclave dev`, as data. Instants are milliseconds of CLOCK_MONOTONIC, which all
 * processes of one machine share, so a candidate's own reading and this process's can be compared.
 */
export type DevEvent = { readonly atMs: number } & (
  | {
      readonly type: 'member-started';
      readonly member: string;
      readonly pid: number;
      readonly clientUrl: string;
    }
  | { readonly type: 'member-killed'; readonly member: string }
  | { readonly type: 'member-exited'; readonly member: string; readonly detail: string }
  | ({ readonly type: 'member-state'; readonly member: string } & MemberReading)
  | { readonly type: 'member-unreachable'; readonly member: string }
  | { readonly type: 'candidate-started'; readonly candidate: string; readonly pid: number }
  | { readonly type: 'candidate-killed'; readonly candidate: string }
  | { readonly type: 'candidate-exited'; readonly candidate: string; readonly detail: string }
  | { readonly type: 'candidate-paused'; readonly candidate: string }
  | { readonly type: 'candidate-woken'; readonly candidate: string }
  | { readonly type: 'observed'; readonly holder: string | undefined; readonly token: number }
  | ({ readonly candidate: string } & CandidateReport)
  | { readonly type: 'note'; readonly text: string }
);

export interface MemberReading {
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
}

/** What a candidate process says of itself, as JSON lines on its stdout. */
export type CandidateReport =
  | { readonly type: 'campaigning' }
  | { readonly type: 'elected'; readonly token: number; readonly validUntilMs: number }
  /** The lease was renewed: the leadership lasts until then at least. */
  | { readonly type: 'held'; readonly token: number; readonly validUntilMs: number }
  | { readonly type: 'ended'; readonly token: number; readonly validUntilMs: number; readonly cause: string }
  /** It has read the file and is about to write without another look at its leadership; `long`: it was told to linger. */
  | { readonly type: 'thinking'; readonly token: number; readonly version: number; readonly long: boolean }
  | { readonly type: 'written'; readonly token: number; readonly version: number }
  | {
      readonly type: 'refused';
      readonly token: number;
      readonly version: number;
      readonly code: string;
      readonly reason: string;
      /** Its leadership was over when it tried. */
      readonly stale: boolean;
    }
  | { readonly type: 'trouble'; readonly text: string };
