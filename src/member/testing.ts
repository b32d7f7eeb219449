/**
 * A cluster of real members on a manual runtime, for tests of this and other layers. Time moves only when told to.
 * Must not be used outside of tests.
 */
import { type ManualRuntime, manualRuntime } from '../runtime/testing.ts';
import { Member } from './member.ts';
import type { MemberOptions } from './options.ts';

export class ManualCluster {
  readonly runtimes: ManualRuntime[];
  readonly members: (Member | undefined)[];
  private readonly changes: Partial<MemberOptions>;
  private readonly size: number;

  /** Members that know no leader yet: call `leader()`. */
  /** `places`: hosts, those for members that join later included. */
  static async start(
    size: number,
    changes: Partial<MemberOptions> = {},
    places = size,
  ): Promise<ManualCluster> {
    const cluster = new ManualCluster(size, changes, places);
    for (let position = 0; position < size; position++) await cluster.startMember(position);
    return cluster;
  }

  private constructor(size: number, changes: Partial<MemberOptions>, places: number) {
    const first = manualRuntime({ seed: 7 });
    this.runtimes = Array.from({ length: places }, (_, position) =>
      position === 0 ? first : first.another(position + 11),
    );
    this.members = Array.from({ length: places }, () => undefined);
    this.size = size;
    this.changes = changes;
  }

  peerUrl(position: number): string {
    return `http://127.0.0.1:${3000 + position}`;
  }

  /** Its flags name the members that the cluster began with, and itself. */
  async startMember(position: number, changes: Partial<MemberOptions> = {}): Promise<Member> {
    const url = (at: number) => this.peerUrl(at);
    const places = Array.from({ length: this.size }, (_, at) => at);
    if (position >= this.size) places.push(position);
    const starting = Member.start({
      name: `m${position}`,
      dataDir: '/data',
      peerListenUrls: [url(position)],
      clientAdvertiseUrls: [`http://127.0.0.1:${2000 + position}`],
      initialCluster: places.map((at) => ({ name: `m${at}`, peerUrls: [url(at)] })),
      runtime: this.runtime(position),
      ...this.changes,
      ...changes,
    });
    const member = await this.settled(starting);
    this.members[position] = member;
    return member;
  }

  runtime(position: number): ManualRuntime {
    return this.runtimes[position] as ManualRuntime;
  }

  member(position: number): Member {
    const member = this.members[position];
    if (!member) throw new Error(`Member ${position} does not run.`);
    return member;
  }

  async advance(ms: number): Promise<void> {
    await this.runtime(0).advance(ms);
  }

  async stopMember(position: number): Promise<void> {
    await this.settled(this.member(position).stop());
    this.members[position] = undefined;
  }

  /** An empty disk instead of the one it had. */
  wipe(position: number): void {
    this.runtimes[position] = this.runtime(0).another(position + 31);
  }

  /** Moves time until it is so. */
  async until(condition: () => boolean): Promise<void> {
    for (let turn = 0; !condition(); turn++) {
      if (turn > 20_000) throw new Error('It is not so after 20 s of manual time.');
      await this.advance(1);
    }
  }

  /** Moves time until the promise settles. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let open = true;
    const done = () => {
      open = false;
    };
    promise.then(done, done);
    for (let turn = 0; open; turn++) {
      if (turn > 20_000) throw new Error('Nothing came of it in 20 s of manual time.');
      await this.advance(1);
    }
    return promise;
  }

  /** The position of the member that leads, once one does. */
  async leader(): Promise<number> {
    for (let turn = 0; turn < 20_000; turn++) {
      const at = this.members.findIndex((member) => member?.status().raft.role === 'leader');
      if (at >= 0) return at;
      await this.advance(1);
    }
    throw new Error('Nobody leads after 20 s of manual time.');
  }

  async stop(): Promise<void> {
    for (const member of this.members) if (member) await this.settled(member.stop());
  }
}
