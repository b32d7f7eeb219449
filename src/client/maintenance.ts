import {
  type AlarmMember,
  type HashKVResponse,
  type MethodDescriptor,
  type SnapshotResponse,
  services,
} from '../wire/index.ts';
import type { CallOptions } from './calls.ts';
import type { AttemptOptions, Endpoints } from './endpoints.ts';

/** Calls that name the member they are for. */
export interface MemberCallOptions extends CallOptions {
  readonly endpoint: string;
}

/** What operators ask of members: most of it concerns the one member that is asked. */
export class Maintenance {
  readonly #endpoints: Endpoints;

  constructor(endpoints: Endpoints) {
    this.#endpoints = endpoints;
  }

  /** Frees what was compacted, writes a snapshot and shortens the log. Resolves when that is done. */
  async defragment(options: MemberCallOptions): Promise<void> {
    await this.#call(services.Maintenance.defragment, {}, 'Defragmenting', options);
  }

  /** Of all keys and their history up to a revision; 0: the latest. @throws 'out-of-range' */
  hashKV(revision: number, options: MemberCallOptions): Promise<HashKVResponse> {
    return this.#call(services.Maintenance.hashKV, { revision }, 'Asking for a hash', options);
  }

  /** The alarms that are raised in the cluster. */
  async alarms(options: AttemptOptions = {}): Promise<readonly AlarmMember[]> {
    const request = { action: 0, memberID: 0n, alarm: 0 } as const;
    return (await this.#call(services.Maintenance.alarm, request, 'Listing the alarms', options)).alarms;
  }

  /** Lifts one alarm; its cause must be gone, or it is raised again. */
  async disarm(alarm: AlarmMember, options: AttemptOptions = {}): Promise<void> {
    const request = { action: 2, memberID: alarm.memberID, alarm: alarm.alarm } as const;
    await this.#call(services.Maintenance.alarm, request, 'Lifting an alarm', {
      ...options,
      changesNothing: false,
    });
  }

  /** Raft leadership goes to that voter. To be asked of the leader itself. @throws 'not-leader', 'failed-precondition' */
  async moveLeader(target: bigint, options: MemberCallOptions): Promise<void> {
    const request = { targetID: target };
    const once = { changesNothing: false, ...options };
    await this.#call(services.Maintenance.moveLeader, request, 'Moving the leadership', once);
  }

  /** The pieces of a backup of what one member has applied, as fast as they are taken. */
  async *snapshot(
    endpoint: string,
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<SnapshotResponse, void, undefined> {
    const stream = this.#endpoints.linkTo(endpoint).stream(services.Maintenance.snapshot, options);
    try {
      stream.send({});
      stream.end();
      yield* stream.responses;
    } finally {
      stream.close();
    }
  }

  #call<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    what: string,
    options: AttemptOptions,
  ): Promise<Res> {
    return this.#endpoints.unary(method, request, what, { changesNothing: true, ...options });
  }
}
