import type { Transport, TransportFactory, UnaryOptions } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type AuthenticateResponse, type MethodDescriptor, services } from '../../wire/index.ts';
import { WorkloadChecker } from '../workload/workload-checker.ts';

/**
 * Listens to what clients' logins and tokens are answered, below what the client's library makes of it: that logs in
 * again by itself. Tokens last for longer than any life.
 */
export class TokensLast extends WorkloadChecker {
  readonly name = 'tokens-last';
  readonly claim =
    'A token is taken by every member, whatever restarts or leads, until the password is changed or auth disabled.';
  #failure: unknown;

  /** For one process of a user. */
  listening(plain: TransportFactory, user: string): TransportFactory {
    /** When the login was asked for that gave the token. */
    const askedUs = new Map<string, number>();
    const { life } = this;
    const told = (error: unknown, token: string | undefined): void => {
      if (token === undefined || !ConclaveError.is(error) || !/invalid auth token/.test(error.message))
        return;
      this.#refused(user, askedUs.get(token) ?? 0);
    };
    return (endpoint): Transport => {
      const inner = plain(endpoint);
      return {
        endpoint,
        async unary<Req, Res>(method: MethodDescriptor<Req, Res>, request: Req, options: UnaryOptions) {
          const fromUs = life.nowUs;
          try {
            const answer = await inner.unary(method, request, options);
            if (method.path === services.Auth.authenticate.path)
              askedUs.set((answer as AuthenticateResponse).token, fromUs);
            return answer;
          } catch (error) {
            told(error, options.token);
            throw error;
          }
        },
        stream: (method, options) => inner.stream(method, options),
        onBreak: (listener) => inner.onBreak(listener),
        close: (cause) => inner.close(cause),
      };
    };
  }

  settled(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #refused(user: string, askedUs: number): void {
    const { voids } = this.replay;
    const isVoid = voids.some(({ atUs, user: whose }) => atUs >= askedUs && (whose ?? user) === user);
    if (isVoid) return;
    try {
      this.violated(
        `The token of ${user}, who logged in at ${(askedUs / 1000).toFixed(3)} ms, was refused, though nothing made it void since.`,
      );
    } catch (error) {
      this.#failure ??= error;
    }
  }
}
