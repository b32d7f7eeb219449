import type { PlantedBug } from './bug.ts';
import { compactionBugs } from './bugs/compaction.ts';
import { consensusBugs } from './bugs/consensus.ts';
import { diskBugs } from './bugs/disk.ts';
import { divergenceBugs } from './bugs/divergence.ts';
import { electionBugs } from './bugs/elections.ts';
import { guardBugs } from './bugs/guards.ts';
import { leaseBugs } from './bugs/leases.ts';
import { membershipBugs } from './bugs/membership.ts';
import { readBugs } from './bugs/reads.ts';
import { sharingBugs } from './bugs/sharing.ts';
import { userBugs } from './bugs/users.ts';

/** All bugs that are planted, one at a time. */
export const bugs: readonly PlantedBug[] = [
  ...consensusBugs,
  ...diskBugs,
  ...readBugs,
  ...leaseBugs,
  ...electionBugs,
  ...sharingBugs,
  ...guardBugs,
  ...membershipBugs,
  ...divergenceBugs,
  ...compactionBugs,
  ...userBugs,
];
