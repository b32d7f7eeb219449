/**
 * A cluster of real members on a manual runtime, for tests of this and other layers. Time moves only when told to.
 * Must not be used outside of tests.
 */
import { type ManualRuntime, manualRuntime } from '../runtime/testing.ts';
import { Member } from './member.ts';
import type { MemberOptions } from './options.ts';

export class ManualCluster {
  readonly runtimes: readonly ManualRuntime[];
  readonly members: (Member | undefined)[];
  private readonly changes: Partial<MemberOptions>;

  /** Members that know no leader yet: call `leader()`. */
  static async start(size: number, changes: Partial<MemberOptions> = {}): Promise<ManualCluster> {
    const cluster = new ManualCluster(size, changes);
    for (let position = 0; position < size; position++) await cluster.startMember(position);
    return cluster;
  }

  private constructor(size: number, changes: Partial<MemberOptions>) {
    const first = manualRuntime({ seed: 7 });
    this.runtimes = Array.from({ length: size }, (_, position) =>
      position === 0 ? first : first.another(position + 11),
    );
    this.members = Array.from({ length: size }, () => undefined);
    this.changes = changes;
  }

  async startMember(position: number): Promise<Member> {
    const url = (at: number) => `http://127.0.0.1:${3000 + at}`;
    const starting = Member.start({
      name: `m${position}`,
      dataDir: '/data',
      peerListenUrls: [url(position)],
      clientAdvertiseUrls: [`http://127.0.0.1:${2000 + position}`],
      initialCluster: this.runtimes.map((_, at) => ({ name: `m${at}`, peerUrls: [url(at)] })),
      runtime: this.runtime(position),
      ...this.changes,
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
