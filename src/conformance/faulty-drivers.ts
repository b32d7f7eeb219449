/**
 * Drivers that are broken on purpose, each in one named way that somebody's first driver may have, by wrapping a sound
 * one. They show what the suite finds in a driver, which a whole store on it may hide for long.
 */
import type { Runtime } from '../runtime/types.ts';
import type { DocumentDriver } from '../stores/documents/driver.ts';
import { driverFaultsInConditions } from './faults/conditions.ts';
import { driverFaultsInContents } from './faults/contents.ts';
import { driverFaultsInTimes } from './faults/times.ts';

/** For all drivers of one service, which may share what they get wrong. */
export type DriverFaultMaker = (runtime: Runtime) => (driver: DocumentDriver) => DocumentDriver;

/** Each fault with what it does. */
export const driverFaults = {
  ...driverFaultsInConditions,
  ...driverFaultsInContents,
  ...driverFaultsInTimes,
} as const satisfies Record<string, DriverFaultMaker>;

export type DriverFault = keyof typeof driverFaults;

export function faultyDrivers(
  fault: DriverFault,
  runtime: Runtime,
): (driver: DocumentDriver) => DocumentDriver {
  return driverFaults[fault](runtime);
}
