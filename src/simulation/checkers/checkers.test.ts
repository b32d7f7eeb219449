import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBatch, Keyspace } from '../../keyspace/index.ts';
import {
  type PersistRequest,
  Raft,
  type RaftEffects,
  type RaftMessage,
  seededRandom,
} from '../../raft/index.ts';
import type { Checker, MemberSight } from '../observation.ts';
import { Draw } from '../world/random.ts';
import { consensusCheckers } from './index.ts';
import { HandmadeDisk, type HandmadeLife, handmadeLife } from './testing.ts';

/** The real core on disks that the test writes, with a network that loses, repeats, reorders and cuts members off. */

interface Write {
  readonly request: PersistRequest;
  messages: readonly RaftMessage[];
}

class Node implements MemberSight {
  readonly position: number;
  readonly name: string;
  readonly memberId: number;
  life = 0;
  running = false;
  damaged = false;
  readonly durable = new HandmadeDisk();
  raft: Raft | undefined;
  keyspace: Keyspace | undefined;
  /** Asked for and not yet on the disk. */
  writes: Write[] = [];

  constructor({ position, name, memberId }: MemberSight) {
    this.position = position;
    this.name = name;
    this.memberId = memberId;
  }
}

class Cluster {
  readonly nodes: readonly Node[];
  readonly made: HandmadeLife = handmadeLife();
  readonly draw: Draw;
  readonly checkers: readonly Checker[];
  readonly wire: RaftMessage[] = [];
  nowMs = 0;
  stampMs = 0;
  elections = 0;
  /** The member that neither hears nor is heard now; 0: none. */
  cutOff = 0;

  constructor(seed: number) {
    this.draw = new Draw(seed);
    this.nodes = this.made.life.members.map((member) => new Node(member));
    this.made.life.members = this.nodes;
    this.checkers = consensusCheckers().map((make) => make(this.made.life));
    for (const node of this.nodes) {
      node.durable.term = 0;
      this.start(node);
    }
  }

  start(node: Node): void {
    const { term, votedFor, commitIndex, entries } = node.durable;
    const options = {
      ...{ groupId: 1, memberId: node.memberId, configuration: { voters: [1, 2, 3] } },
      ...{ random: seededRandom(this.draw.word()), electionTimeoutMs: 100, heartbeatIntervalMs: 20 },
    };
    node.life += 1;
    node.running = true;
    node.raft = new Raft(
      options,
      { hardState: { term, votedFor, commitIndex }, snapshot: undefined, entries },
      this.nowMs,
    );
    node.keyspace = new Keyspace();
    for (const checker of this.checkers) checker.memberStarted?.(node);
  }

  crash(node: Node): void {
    for (const checker of this.checkers) checker.memberEnded?.(node);
    node.running = false;
    node.writes = [];
    node.raft = undefined;
  }

  turn(node: Node): void {
    const { raft } = node;
    if (raft === undefined) return;
    if (this.nowMs >= raft.nextDeadlineMs()) raft.step({ type: 'tick' }, this.nowMs);
    if (raft.status().role === 'leader' && this.draw.chance(0.3)) {
      this.stampMs += 1;
      const data = encodeBatch({ timeMs: this.stampMs, commands: [] });
      raft.step({ type: 'propose', proposalId: this.stampMs, data }, this.nowMs);
    }
    this.perform(node, raft, raft.drain());
  }

  perform(node: Node, raft: Raft, effects: RaftEffects): void {
    if (effects.state?.role === 'leader') this.elections += 1;
    for (const checker of this.checkers) checker.drained?.(node, effects);
    for (const entry of effects.committed) this.made.committed.add(entry, 0);
    this.send(node, effects.messages);
    const last = node.writes.at(-1);
    if (effects.persist)
      node.writes.push({ request: effects.persist, messages: effects.messagesAfterPersist });
    else if (last) last.messages = [...last.messages, ...effects.messagesAfterPersist];
    else this.send(node, effects.messagesAfterPersist);
    for (const entry of effects.committed) {
      const results = node.keyspace?.apply(
        entry.index,
        entry.kind === 'command' ? entry.data : new Uint8Array(),
      );
      for (const checker of this.checkers) checker.applied?.(node, entry, results ?? []);
      raft.step({ type: 'applied', index: entry.index }, this.nowMs);
    }
  }

  /** Some of what waits comes to be on the disk, in one write. */
  sync(node: Node): void {
    const written = node.writes.splice(0, this.draw.between(1, 3));
    if (written.length === 0) return;
    for (const { request } of written) {
      const first = request.entries[0];
      if (first)
        node.durable.entries = [...node.durable.entries.slice(0, first.index - 1), ...request.entries];
      if (request.hardState) Object.assign(node.durable, request.hardState);
    }
    for (const checker of this.checkers) checker.durable?.(node);
    for (const { request, messages } of written) {
      this.send(node, messages);
      node.raft?.step({ type: 'persisted', persistId: request.persistId }, this.nowMs);
    }
  }

  send(from: Node, messages: readonly RaftMessage[]): void {
    for (const message of messages) {
      const to = this.nodes[message.to - 1] as Node;
      for (const checker of this.checkers) checker.sent?.(from, to, message);
      if (!this.draw.chance(0.05)) this.wire.push(message);
      if (this.draw.chance(0.05)) this.wire.push(message);
    }
  }

  step(crashes: number): void {
    this.nowMs += 1;
    this.made.life.nowUs = this.nowMs * 1000;
    if (this.draw.chance(0.005)) this.cutOff = this.draw.below(4);
    for (let count = this.wire.length; count > 0; count--) {
      const at = this.draw.chance(0.8) ? 0 : this.draw.below(this.wire.length);
      const [message] = this.wire.splice(at, 1) as [RaftMessage];
      if (message.to === this.cutOff || message.from === this.cutOff) continue;
      this.nodes[message.to - 1]?.raft?.step({ type: 'message', message }, this.nowMs);
    }
    for (const node of this.nodes) {
      if (this.draw.chance(0.5)) this.sync(node);
      this.turn(node);
      if (node.running && this.draw.chance(crashes)) this.crash(node);
      else if (!node.running && this.draw.chance(0.01)) this.start(node);
    }
  }
}

test('the real core passes all checkers through crashes, losses, repeats and slow disks', () => {
  let elections = 0;
  let committed = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new Cluster(seed);
    for (let step = 0; step < 2000; step++) cluster.step(0.002);
    for (const checker of cluster.checkers) checker.ended?.();
    elections += cluster.elections;
    committed += cluster.made.committed.lastIndex;
  }
  assert.ok(elections > 40, `${elections} elections`);
  assert.ok(committed > 2000, `${committed} entries committed`);
});
