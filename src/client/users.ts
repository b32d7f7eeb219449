import type { MethodDescriptor } from '../wire/index.ts';
import { type Permission, type ResponseHeader, services } from '../wire/index.ts';
import type { CallOptions } from './calls.ts';
import type { Endpoints } from './endpoints.ts';

/** Answered with nothing but a header. */
type Change<Req> = MethodDescriptor<Req, { header?: ResponseHeader | undefined }>;

const { Auth } = services;

/**
 * Users, roles and their permissions, and whether they count. While auth is enabled only a user with the root role may
 * change them. @throws ConclaveError 'permission-denied', 'unauthenticated', and as each says.
 */
export class Users {
  readonly #endpoints: Endpoints;

  constructor(endpoints: Endpoints) {
    this.#endpoints = endpoints;
  }

  /** @throws 'failed-precondition' unless there is a user root with the role root. */
  enable(options: CallOptions = {}): Promise<void> {
    return this.#change('Enabling auth', Auth.authEnable, {}, options);
  }

  disable(options: CallOptions = {}): Promise<void> {
    return this.#change('Disabling auth', Auth.authDisable, {}, options);
  }

  async status(options: CallOptions = {}): Promise<{ enabled: boolean; revision: number }> {
    const { enabled, authRevision } = await this.#ask(
      'Reading whether auth is enabled',
      Auth.authStatus,
      {},
      options,
    );
    return { enabled, revision: authRevision };
  }

  /** Without a password the user proves itself by a TLS certificate alone. @throws 'already-exists' */
  add(name: string, password: string | undefined, options: CallOptions = {}): Promise<void> {
    const noPassword = password === undefined;
    const request = { name, password: password ?? '', options: { noPassword }, hashedPassword: '' };
    return this.#change('Adding a user', Auth.userAdd, request, options);
  }

  /** Names of its roles. @throws 'not-found' */
  async get(name: string, options: CallOptions = {}): Promise<readonly string[]> {
    return (await this.#ask('Reading a user', Auth.userGet, { name }, options)).roles;
  }

  async list(options: CallOptions = {}): Promise<readonly string[]> {
    return (await this.#ask('Listing users', Auth.userList, {}, options)).users;
  }

  /** @throws 'not-found' */
  delete(name: string, options: CallOptions = {}): Promise<void> {
    return this.#change('Deleting a user', Auth.userDelete, { name }, options);
  }

  /** Its tokens are void from then on. @throws 'not-found' */
  changePassword(name: string, password: string, options: CallOptions = {}): Promise<void> {
    const request = { name, password, hashedPassword: '' };
    return this.#change('Changing a password', Auth.userChangePassword, request, options);
  }

  /** @throws 'not-found' for the user or the role. */
  grantRole(user: string, role: string, options: CallOptions = {}): Promise<void> {
    return this.#change('Granting a role', Auth.userGrantRole, { user, role }, options);
  }

  /** @throws 'not-found' for the user, or where it has no such role. */
  revokeRole(user: string, role: string, options: CallOptions = {}): Promise<void> {
    return this.#change('Revoking a role', Auth.userRevokeRole, { name: user, role }, options);
  }

  /** @throws 'already-exists' */
  addRole(name: string, options: CallOptions = {}): Promise<void> {
    return this.#change('Adding a role', Auth.roleAdd, { name }, options);
  }

  /** @throws 'not-found' */
  async getRole(role: string, options: CallOptions = {}): Promise<readonly Permission[]> {
    return (await this.#ask('Reading a role', Auth.roleGet, { role }, options)).perm;
  }

  async listRoles(options: CallOptions = {}): Promise<readonly string[]> {
    return (await this.#ask('Listing roles', Auth.roleList, {}, options)).roles;
  }

  /** @throws 'not-found' */
  deleteRole(role: string, options: CallOptions = {}): Promise<void> {
    return this.#change('Deleting a role', Auth.roleDelete, { role }, options);
  }

  /** `rangeEnd`: empty for one key, [0] for all from the key on. @throws 'not-found' for the role. */
  grantPermission(role: string, perm: Permission, options: CallOptions = {}): Promise<void> {
    return this.#change('Granting a permission', Auth.roleGrantPermission, { name: role, perm }, options);
  }

  /** @throws 'not-found' for the role, or where it has no such permission. */
  revokePermission(
    role: string,
    range: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array },
    options: CallOptions = {},
  ): Promise<void> {
    return this.#change('Revoking a permission', Auth.roleRevokePermission, { role, ...range }, options);
  }

  async #change<Req>(what: string, method: Change<Req>, request: Req, options: CallOptions): Promise<void> {
    await this.#endpoints.run(what, options, (link, { timeoutMs }) =>
      link.unary(method, request, { timeoutMs }),
    );
  }

  #ask<Req, Res>(
    what: string,
    method: MethodDescriptor<Req, Res>,
    request: Req,
    options: CallOptions,
  ): Promise<Res> {
    const reading = { ...options, changesNothing: true };
    return this.#endpoints.run(what, reading, (link, { timeoutMs }) =>
      link.unary(method, request, { timeoutMs }),
    );
  }
}
