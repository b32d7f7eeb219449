import type { Command, CommandOutcome } from '../types.ts';
import type { AuthState } from './auth-state.ts';

export type AuthCommand = Extract<Command, { type: 'auth' | 'authenticate' | 'extendToken' }>;

export function applyAuthCommand(auth: AuthState, command: AuthCommand, timeMs: number): CommandOutcome {
  const failure = command.type === 'auth' ? auth.change(command.change) : auth.checkLogin(command.login);
  if (failure !== undefined) return { type: 'failed', failure };
  if (command.type === 'authenticate') return { type: 'authenticate', timeMs };
  if (command.type === 'extendToken') {
    const expiresMs = Math.min(timeMs + command.ttlMs, Number.MAX_SAFE_INTEGER);
    auth.tokens.extend(command.tokenId, expiresMs, timeMs);
  }
  return { type: command.type };
}
