import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Transport, TransportFactory } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { AuthChange } from '../../keyspace/index.ts';
import { services } from '../../wire/index.ts';
import { CheckerBench, nameOf } from '../workload/testing/bench.ts';
import { TokensLast } from './tokens-last.ts';

/** Ann, who logs in and then calls. */
class TokenBench extends CheckerBench {
  readonly #transport: Transport;
  #isRefused = false;

  constructor() {
    let tokens: TokensLast | undefined;
    super({
      besides: (parts) => {
        tokens = new TokensLast(parts);
        return [tokens];
      },
    });
    const plain: TransportFactory = (endpoint) =>
      ({
        endpoint,
        unary: async (method: { readonly path: string }) => {
          if (method.path === services.Auth.authenticate.path) return { token: 'ann.1' };
          if (!this.#isRefused) return {};
          const text = 'etcdserver: invalid auth token';
          throw new ConclaveError('unauthenticated', text, { retryable: false, outcome: 'not-applied' });
        },
      }) as unknown as Transport;
    assert.ok(tokens !== undefined);
    this.#transport = tokens.listening(plain, 'ann')('member-1');
  }

  changes(change: AuthChange): void {
    this.commit({ type: 'auth', change });
  }

  async logsIn(): Promise<void> {
    this.life.nowUs += 1000;
    await this.#transport.unary(
      services.Auth.authenticate,
      { name: 'ann', password: '' },
      { timeoutMs: 1000 },
    );
  }

  async calls({ refused }: { readonly refused: boolean }): Promise<string | undefined> {
    this.life.nowUs += 1000;
    this.#isRefused = refused;
    const call = this.#transport.unary(services.Auth.authStatus, {}, { token: 'ann.1', timeoutMs: 1000 });
    await call.catch(() => undefined);
    try {
      for (const checker of this.checkers) checker.settled?.();
      return undefined;
    } catch (error) {
      return nameOf(error);
    }
  }
}

const ann = { kind: 'userAdd', user: 'ann', passwordHash: '', noPassword: false } as const;
const anew = { kind: 'userChangePassword', user: 'ann', passwordHash: 'x' } as const;

test('a token that is taken is fine, and one that is refused although nothing made it void is found', async () => {
  const bench = new TokenBench();
  bench.changes(ann);
  await bench.logsIn();
  assert.equal(await bench.calls({ refused: false }), undefined);
  assert.equal(await bench.calls({ refused: true }), 'tokens-last');
});

test('a token may be refused once the password is another one', async () => {
  const bench = new TokenBench();
  bench.changes(ann);
  await bench.logsIn();
  bench.changes(anew);
  assert.equal(await bench.calls({ refused: true }), undefined);
});

test('a password that was changed before the login, or that of another user, makes no token void', async () => {
  const bench = new TokenBench();
  bench.changes(ann);
  bench.changes({ ...ann, user: 'bob' });
  bench.changes(anew);
  await bench.logsIn();
  bench.changes({ ...anew, user: 'bob' });
  assert.equal(await bench.calls({ refused: true }), 'tokens-last');
});
