// One server's side of a random sequence: the tokens that it gave, and its answers in a form that can be compared.
import {
  AuthDisableRequest,
  AuthEnableRequest,
  AuthenticateRequest,
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGrantPermissionRequest,
  AuthUserAddRequest,
  AuthUserDeleteRequest,
  AuthUserGrantRoleRequest,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  type MethodDescriptor,
  services,
} from '../../../src/wire/index.ts';
import { Caller } from '../caller.ts';
import { roles, type Step, someLease, users } from './requests.ts';

const { Auth, KV, Lease } = services;

export class Session implements Disposable {
  readonly #caller: Caller;
  readonly #tokens = new Map<string, string>();
  /** While auth is disabled nobody sends a token: etcd 3.4 would refuse it, 3.5 and we do not look at it. */
  #enabled = false;

  constructor(endpoint: string) {
    this.#caller = new Caller(endpoint);
  }

  /** Brings the server to the same beginning each time: three users, two roles, one lease, auth enabled. */
  async begin(): Promise<void> {
    await this.#clear();
    for (const user of users) {
      await this.#must(Auth.userAdd, AuthUserAddRequest.create({ name: user, password: 'one' }));
    }
    for (const [name, user, permType, key, rangeEnd] of [
      ['reader', 'ann', 0, 'a', 'c'],
      ['writer', 'bob', 2, 'b', ''],
    ] as const) {
      const perm = { permType, key: Buffer.from(key), rangeEnd: Buffer.from(rangeEnd) };
      await this.#must(Auth.roleAdd, AuthRoleAddRequest.create({ name }));
      await this.#must(Auth.roleGrantPermission, AuthRoleGrantPermissionRequest.create({ name, perm }));
      await this.#must(Auth.userGrantRole, AuthUserGrantRoleRequest.create({ user, role: name }));
    }
    await this.#must(Auth.userGrantRole, AuthUserGrantRoleRequest.create({ user: 'root', role: 'root' }));
    await this.#must(Lease.leaseGrant, LeaseGrantRequest.create({ ID: someLease, TTL: 1000 }));
    await this.#must(Auth.authEnable, AuthEnableRequest.create({}));
    this.#enabled = true;
    for (const user of users) await this.#login(user, 'one');
  }

  async answer(step: Step): Promise<string> {
    if (step.type === 'login') return await this.#login(step.user, step.password);
    const token = this.#enabled ? this.#tokenOf(step.as) : undefined;
    const answer = await this.#caller.unary(step.method, step.request as never, { token });
    if ('response' in answer && step.name === 'AuthEnable') this.#enabled = true;
    if ('response' in answer && step.name === 'AuthDisable') this.#enabled = false;
    return 'response' in answer ? comparable(answer.response) : `${answer.code} ${answer.message}`;
  }

  #tokenOf(actor: string): string | undefined {
    return actor === 'forger' ? 'forged.1' : this.#tokens.get(actor);
  }

  async #login(user: string, password: string): Promise<string> {
    const request = AuthenticateRequest.create({ name: user, password });
    const answer = await this.#caller.unary(Auth.authenticate, request);
    if (!('response' in answer)) return `${answer.code} ${answer.message}`;
    this.#tokens.set(user, answer.response.token);
    return 'a token';
  }

  async #clear(): Promise<void> {
    const passwords = ['one', 'two'];
    for (const password of passwords) {
      await this.#login('root', password);
      const token = this.#tokens.get('root');
      await this.#caller.unary(Auth.authDisable, AuthDisableRequest.create({}), { token });
    }
    this.#tokens.clear();
    for (const name of [...users, 'carl'])
      await this.#caller.unary(Auth.userDelete, AuthUserDeleteRequest.create({ name }));
    for (const role of [...roles, 'other'])
      await this.#caller.unary(Auth.roleDelete, AuthRoleDeleteRequest.create({ role }));
    await this.#caller.unary(Lease.leaseRevoke, LeaseRevokeRequest.create({ ID: someLease }));
    const all = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
    await this.#must(KV.deleteRange, DeleteRangeRequest.create(all));
  }

  async #must<Req, Res>(method: MethodDescriptor<Req, Res>, request: Req): Promise<void> {
    const answer = await this.#caller.unary(method, request);
    if (!('response' in answer)) throw new Error(`${method.path}: ${answer.code} ${answer.message}`);
  }

  [Symbol.dispose](): void {
    this.#caller[Symbol.dispose]();
  }
}

/** Without what differs by nature: ids and terms, revisions of stores that began apart, and how long a lease has left. */
const different = new Set(['header', 'TTL', 'createRevision', 'modRevision']);

export function comparable(value: unknown): string {
  return JSON.stringify(value, (name, field: unknown) => {
    if (different.has(name)) return undefined;
    if (typeof field === 'bigint') return field.toString();
    if (field instanceof Uint8Array) return Buffer.from(field).toString('latin1');
    if (typeof field === 'object' && field !== null && 'type' in field && field.type === 'Buffer') {
      return Buffer.from(field as unknown as ArrayLike<number>).toString('latin1');
    }
    return field;
  });
}
