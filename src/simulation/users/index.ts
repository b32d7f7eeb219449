/**
 * Lives in which members ask who calls. Users, roles and permissions change all the while (`administrator.ts`); the
 * clients of the workload are users with few rights, and everybody else of the life is root. What is allowed is known from
 * the log alone, by the model of the workload.
 */
export { Administrator } from './administrator.ts';
export { passwordOf, rootName, rootTransport, userOf } from './identities.ts';
export { TokensLast } from './tokens-last.ts';
