import { covers, type Interval, intervalOf, mergeIntervals } from './intervals.ts';
import type { Access, RoleInfo } from './types.ts';

/** The role that may do everything, whether it was made or not. */
export const rootRole = 'root';
export const rootUser = 'root';

/** What one user may do with keys: the permissions of all its roles together. */
export class Grants {
  readonly isRoot: boolean;
  private readonly read: readonly Interval[];
  private readonly write: readonly Interval[];

  constructor(isRoot: boolean, roles: readonly RoleInfo[]) {
    this.isRoot = isRoot;
    const of = (access: Access): Interval[] => {
      const wanted = roles.flatMap((role) => role.permissions).filter(({ type }) => type.includes(access));
      return mergeIntervals(wanted.map(({ key, rangeEnd }) => intervalOf(key, rangeEnd)));
    };
    this.read = of('read');
    this.write = of('write');
  }

  may(access: Access, key: Uint8Array, rangeEnd: Uint8Array): boolean {
    return this.isRoot || covers(access === 'read' ? this.read : this.write, intervalOf(key, rangeEnd));
  }
}
