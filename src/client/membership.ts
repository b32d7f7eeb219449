import { type Member, type MemberAddResponse, type MethodDescriptor, services } from '../wire/index.ts';
import type { AttemptOptions, Endpoints } from './endpoints.ts';

/** Changes of who is a member. None is tried again after a lost answer: look at the list of members then. */
export class Membership {
  readonly #endpoints: Endpoints;

  constructor(endpoints: Endpoints) {
    this.#endpoints = endpoints;
  }

  /**
   * The cluster expects one more member under these peer URLs from now on. A voter counts at once, whether it runs or
   * not; a learner does not, until it is promoted.
   */
  add(
    peerUrls: readonly string[],
    options: AttemptOptions & { readonly learner?: boolean } = {},
  ): Promise<MemberAddResponse> {
    const { learner = false, ...attempt } = options;
    const request = { peerURLs: [...peerUrls], isLearner: learner };
    return this.#call(services.Cluster.memberAdd, request, 'Adding a member', attempt);
  }

  /** It stops by itself, and never comes back under this id. Returns who remains. */
  async remove(memberId: bigint, options: AttemptOptions = {}): Promise<readonly Member[]> {
    const request = { ID: memberId };
    return (await this.#call(services.Cluster.memberRemove, request, 'Removing a member', options)).members;
  }

  /** The others reach it elsewhere from now on. */
  async update(
    memberId: bigint,
    peerUrls: readonly string[],
    options: AttemptOptions = {},
  ): Promise<readonly Member[]> {
    const request = { ID: memberId, peerURLs: [...peerUrls] };
    return (await this.#call(services.Cluster.memberUpdate, request, 'Updating a member', options)).members;
  }

  /** From learner to voter; refused while it lags. */
  async promote(memberId: bigint, options: AttemptOptions = {}): Promise<readonly Member[]> {
    const request = { ID: memberId };
    return (await this.#call(services.Cluster.memberPromote, request, 'Promoting a member', options)).members;
  }

  #call<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    what: string,
    options: AttemptOptions,
  ): Promise<Res> {
    return this.#endpoints.unary(method, request, what, { changesNothing: false, ...options });
  }
}
