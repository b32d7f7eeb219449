import { crc32 } from '../../member/log/crc32.ts';
import {
  chunkHeaderBytes,
  decodeChunkHeader,
  decodeHeader,
  decodeTrailer,
  headerLength,
  headerStartBytes,
  type SnapshotHeader,
  trailerBytes,
} from '../../member/snapshots/format.ts';
import type { GroupId, SnapshotMeta } from '../../raft/types.ts';
import { Refused } from './log-reading.ts';
import type { Platter } from './simulated-disk.ts';

/** The newest snapshot of the group on the platter, every byte of it checked. @throws Refused, MalformedBytes */
export function readNewestSnapshot(
  platter: Platter,
  folder: string,
  group: GroupId,
): SnapshotMeta | undefined {
  let newest: { index: number; name: string } | undefined;
  for (const name of platter.durableList(folder)) {
    const match = /^(\d+)-(\d{16})\.snapshot$/.exec(name);
    if (match === null || Number(match[1]) !== group) continue;
    const index = Number(match[2]);
    if (newest === undefined || index > newest.index) newest = { index, name };
  }
  if (newest === undefined) return undefined;
  const path = `${folder}/${newest.name}`;
  const file = platter.durable(path);
  if (file === undefined || file === 'folder') return undefined;
  const bytes = new Uint8Array(file.platterBytes);
  bytes.set(file.platter());
  const header = check(path, bytes);
  if (header?.group !== group || header.meta.index !== newest.index) {
    throw new Refused(`the snapshot '${newest.name}' is not what was written`);
  }
  return header.meta;
}

function check(path: string, bytes: Uint8Array): SnapshotHeader | undefined {
  const length = headerLength(bytes.subarray(0, headerStartBytes));
  if (length === undefined || bytes.length < length + trailerBytes) return undefined;
  const header = decodeHeader(path, bytes.subarray(0, length));
  if (header === undefined) return undefined;
  let { crc } = header;
  let chunks = 0;
  let dataBytes = 0;
  for (let at = length; ; ) {
    if (at + chunkHeaderBytes > bytes.length) return undefined;
    const stated = decodeChunkHeader(bytes.subarray(at, at + chunkHeaderBytes));
    const end = at + (stated.isTrailer ? trailerBytes : chunkHeaderBytes + stated.length);
    if (end > bytes.length) return undefined;
    crc = crc32(bytes, at + 4, end, crc);
    if (crc !== stated.crc) return undefined;
    if (stated.isTrailer) {
      const trailer = decodeTrailer(bytes.subarray(at, end));
      return end === bytes.length && trailer.chunks === chunks && trailer.dataBytes === dataBytes
        ? header
        : undefined;
    }
    chunks += 1;
    dataBytes += stated.length;
    at = end;
  }
}
