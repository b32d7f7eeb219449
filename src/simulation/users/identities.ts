import { AuthenticatedTransport } from '../../client/authenticated-transport.ts';
import type { TransportFactory } from '../../client/index.ts';
import { Login } from '../../client/login.ts';

export const rootName = 'root';
export const users = ['ann', 'bob', 'cid'] as const;

/** They never get another. */
export const passwordOf = (user: string): string => `${user}'s password`;

/** Who a client's process is, by its name, like `client-3.1`. */
export function userOf(client: string): string {
  const number = Number(/^client-(\d+)/.exec(client)?.[1] ?? 0);
  return users[number % users.length] as string;
}

/** Everybody whose rights are not what a life is about. One for each process: it logs in for itself. */
export function rootTransport(plain: TransportFactory): TransportFactory {
  const login = new Login({ username: rootName, password: passwordOf(rootName) });
  return (endpoint) => new AuthenticatedTransport(plain(endpoint), login);
}
