/** A member with users and roles, asked through the registry as a transport does. For tests alone. */
import assert from 'node:assert/strict';
import { manualRuntime, settle } from '../../runtime/testing.ts';
import { AuthUserAddRequest, type MethodDescriptor, PutRequest, services } from '../../wire/index.ts';
import { createRegistry } from '../registry.ts';
import { toStatus } from '../status.ts';
import { TestingCall, TestingMember, testingServices } from '../testing.ts';
import type { CallContext } from '../types.ts';

const { Auth, KV } = services;

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const tokenTtlMs = 300_000;

/** Who shows a token, or a certificate. */
export class Caller extends TestingCall {
  constructor(token: string | undefined, commonName?: string) {
    super();
    Object.assign(this, { token, connection: { ...this.connection, commonName } });
  }
}

/** Root, ann who may read and write `a`, and auth enabled; answers as text. */
export async function openWithAuth() {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const api = testingServices(member, runtime);
  const registry = createRegistry(api);
  const ask = async <Req, Res>(
    method: MethodDescriptor<Req, Res>,
    request: Req,
    context: CallContext = new Caller(undefined),
  ): Promise<Res> => {
    const served = registry.get(method.path);
    assert.ok(served?.shape === 'unary');
    return (await settle(runtime, served.handler(request, context))) as Res;
  };
  const told = async <Req, Res>(method: MethodDescriptor<Req, Res>, request: Req, context?: CallContext) => {
    try {
      await ask(method, request, context);
      return 'ok';
    } catch (error) {
      const { code, message } = toStatus(error);
      return `${code} ${message}`;
    }
  };
  for (const name of ['root', 'ann']) {
    await ask(Auth.userAdd, AuthUserAddRequest.create({ name, password: `${name}'s` }));
  }
  await ask(Auth.userGrantRole, { user: 'root', role: 'root' });
  await ask(Auth.roleAdd, { name: 'hers' });
  const perm = { permType: 2 as const, key: bytes('a'), rangeEnd: bytes('b') };
  await ask(Auth.roleGrantPermission, { name: 'hers', perm });
  await ask(Auth.userGrantRole, { user: 'ann', role: 'hers' });
  await ask(Auth.authEnable, {});
  const login = async (name: string, password = `${name}'s`) =>
    (await ask(Auth.authenticate, { name, password })).token;
  const root = new Caller(await login('root'));
  const put = (token: string | undefined) =>
    told(KV.put, PutRequest.create({ key: bytes('a') }), new Caller(token));
  return { runtime, member, api, registry, ask, told, login, root, put };
}
