import { type ConclaveClient, connectClient, type TransportFactory } from '../../client/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { Permission_Type } from '../../wire/index.ts';
import { unlessUsual } from '../elections/usual-failures.ts';
import { keyPrefix } from '../workload/history.ts';
import { bytesOf } from '../workload/model-values.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { World } from '../world/world.ts';
import { passwordOf, rootName, users } from './identities.ts';

export interface AdministratorOptions {
  readonly world: World;
  readonly endpoints: readonly string[];
  readonly transport: (runtime: Runtime) => TransportFactory;
  readonly equip: (process: Process) => void;
  readonly onFailure: (error: unknown) => void;
}

const timeoutMs = 3000;
const end = `${keyPrefix.slice(0, -1)}0`;
const roles = ['all', 'reading', 'low', 'high'] as const;
type Role = (typeof roles)[number];

/** What each role is for: all that the workload touches, or a part. */
const ranges: Readonly<
  Record<Role, { readonly type: Permission_Type; readonly key: string; readonly end: string }>
> = {
  all: { type: Permission_Type.READWRITE, key: keyPrefix, end },
  reading: { type: Permission_Type.READ, key: keyPrefix, end },
  low: { type: Permission_Type.READWRITE, key: keyPrefix, end: `${keyPrefix}k3` },
  high: { type: Permission_Type.READWRITE, key: `${keyPrefix}k3`, end },
};

/** Enables auth at the start of a life, and changes who may do what until it is healed. No fault strikes it. */
export class Administrator {
  /** Changes that were acknowledged. */
  changes = 0;
  readonly #options: AdministratorOptions;
  readonly #draw: Draw;
  #healed = false;
  /** All is allowed again. */
  done = false;

  constructor(options: AdministratorOptions) {
    this.#options = options;
    this.#draw = options.world.random('administrator');
  }

  start(): void {
    const { world, endpoints, transport, equip, onFailure } = this.#options;
    const process = world.startProcess('administrator', world.addHost('administrator'));
    equip(process);
    const { runtime } = process;
    const client = connectClient({
      endpoints,
      runtime,
      name: 'administrator',
      transport: transport(runtime),
    });
    this.#administer(process, client).catch(onFailure);
  }

  heal(): void {
    this.#healed = true;
  }

  async #administer(process: Process, client: ConclaveClient): Promise<void> {
    const pause = (leastMs: number, mostMs: number): Promise<void> =>
      new Promise((resolve) => {
        process.after(this.#draw.between(leastMs, mostMs) * 1000, eventKinds.workload, resolve);
      });
    const insist = async (change: () => Promise<void>): Promise<void> => {
      while (!(await this.#done(change))) await pause(10, 100);
    };
    await this.#found(client, insist);
    while (!this.#healed) {
      await pause(100, 900);
      await this.#done(() => this.#change(client));
    }
    await insist(() => client.users.grantPermission('all', permissionOf('all'), { timeoutMs }));
    for (const user of users) await insist(() => client.users.grantRole(user, 'all', { timeoutMs }));
    await insist(() => client.users.enable({ timeoutMs }));
    this.done = true;
    await client.close();
    process.die();
  }

  async #found(
    { users: change }: ConclaveClient,
    insist: (change: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const options = { timeoutMs };
    await insist(() => change.add(rootName, passwordOf(rootName), options));
    await insist(() => change.grantRole(rootName, rootName, options));
    for (const role of roles) {
      await insist(() => change.addRole(role, options));
      await insist(() => change.grantPermission(role, permissionOf(role), options));
    }
    for (const user of users) {
      await insist(() => change.add(user, passwordOf(user), options));
      await insist(() => change.grantRole(user, 'all', options));
    }
    await insist(() => change.enable(options));
  }

  /** Now and then nobody is asked for a while, or logs in again with the password of before. */
  #change({ users: change }: ConclaveClient): Promise<void> {
    const draw = this.#draw;
    const options = { timeoutMs };
    const user = draw.pick(users);
    const role = draw.pick(roles);
    const { key, rangeEnd } = permissionOf(role);
    const at = draw.unit();
    if (at < 0.35) return change.grantRole(user, role, options);
    if (at < 0.6) return change.revokeRole(user, role, options);
    if (at < 0.75) return change.grantPermission(role, permissionOf(role), options);
    if (at < 0.85) return change.revokePermission(role, { key, rangeEnd }, options);
    if (at < 0.93) return change.enable(options);
    return at < 0.97 ? change.changePassword(user, passwordOf(user), options) : change.disable(options);
  }

  /** Whether it took place: what is there already, or gone, counts as well. */
  async #done(change: () => Promise<void>): Promise<boolean> {
    try {
      await change();
      this.changes += 1;
      return true;
    } catch (error) {
      // Several changes of users may be on their way, where the answer to one was lost.
      unlessUsual(error, 'already-exists', 'not-found', 'failed-precondition', 'unauthenticated');
      const text = String(error);
      return /already exists|already enabled/.test(text);
    }
  }
}

function permissionOf(role: Role): { permType: Permission_Type; key: Uint8Array; rangeEnd: Uint8Array } {
  const { type, key, end: rangeEnd } = ranges[role];
  return { permType: type, key: bytesOf(key), rangeEnd: bytesOf(rangeEnd) };
}
