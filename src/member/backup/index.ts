/**
 * A backup: one file with everything that a member had applied, as `Snapshot` of the API streams it.
 *
 * Guarantees: a file that passes `openBackup` is what a member wrote, byte for byte; restoring it on several members
 * gives each the same state, with a revision above anything that the old cluster can have given out.
 *
 * Must not: hold the content in memory to write or to check it, or touch a data folder that is there already.
 */
export { type BackupDescription, type BackupMember, backupFormatVersion } from './format.ts';
export { type BackupFile, openBackup } from './read.ts';
export { type RestoredMember, type RestoreOptions, restoreBackup } from './restore.ts';
export { type Backup, makeBackup } from './write.ts';
