import type { CommandIdentity, CommandResult } from '../keyspace/index.ts';
import type { Proposal } from './proposal.ts';

/** Above this many sequences in flight, further forwarded proposals wait (the keyspace keeps 1024 results). */
const maxOutstandingSequences = 1000;

export interface OwnIdentityContext {
  /** Asks the cluster for an incarnation. */
  readonly register: () => Promise<CommandResult>;
  /** There is an incarnation now, or room in the window again. */
  readonly onRoom: () => void;
}

/** This member's own incarnation, under which what it forwards is applied once, and the window of its sequences. */
export class OwnIdentity {
  private readonly context: OwnIdentityContext;
  private registering = false;
  /** 0: none yet, or forgotten. */
  private incarnation = 0;
  private nextSequence = 1;
  /** In the order of their sequences: the first is the lowest outstanding one. */
  private readonly outstanding = new Set<number>();

  constructor(context: OwnIdentityContext) {
    this.context = context;
  }

  /** Gives the proposal an identity. False: it must wait for our incarnation or for the window. */
  identify(proposal: Proposal): boolean {
    // Registering twice is harmless, so it needs no identity; an unused incarnation is forgotten by rule.
    if (proposal.identity || proposal.command.type === 'registerClient') return true;
    if (this.incarnation === 0) {
      this.register();
      return false;
    }
    proposal.identity = this.next();
    if (!proposal.identity) return false;
    proposal.encoded = undefined;
    return true;
  }

  private register(): void {
    if (this.registering) return;
    this.registering = true;
    this.context.register().then(
      ({ outcome }) => {
        this.registering = false;
        if (outcome.type === 'registerClient') this.begin(outcome.incarnation);
        this.context.onRoom();
      },
      () => {
        this.registering = false;
      },
    );
  }

  private begin(incarnation: number): void {
    this.incarnation = incarnation;
    this.nextSequence = 1;
    this.outstanding.clear();
  }

  /** The cluster does not know it any more. */
  forget(incarnation: number): void {
    if (this.incarnation === incarnation) this.incarnation = 0;
  }

  /** undefined: as many as may be are outstanding. */
  private next(): CommandIdentity | undefined {
    const lowest = this.lowest;
    if (this.nextSequence - lowest >= maxOutstandingSequences) return undefined;
    const sequence = this.nextSequence++;
    this.outstanding.add(sequence);
    return { incarnation: this.incarnation, sequence, acknowledgedBelow: lowest };
  }

  /** Frees the window. Its sequence is no longer outstanding: nobody will ask for that result again. */
  release({ identity, foreignIdentity }: Proposal): void {
    if (!identity || foreignIdentity || identity.incarnation !== this.incarnation) return;
    const wasFull = this.nextSequence - this.lowest >= maxOutstandingSequences;
    this.outstanding.delete(identity.sequence);
    if (wasFull && this.nextSequence - this.lowest < maxOutstandingSequences) this.context.onRoom();
  }

  private get lowest(): number {
    return this.outstanding.values().next().value ?? this.nextSequence;
  }
}
