import { ConnectionError, errorCodes, largestWindowBytes, readUint32, settingIds } from './frames.ts';

/** What the other side told of itself; what it did not name stays as it was. */
export interface PeerSettings {
  headerTableBytes?: number;
  initialWindowBytes?: number;
  maxFrameBytes?: number;
}

const smallestFrameBytes = 16_384;
const largestFrameBytes = 2 ** 24 - 1;

/** RFC 9113 §6.5. Settings that we do not know are ignored. @throws ConnectionError on values out of bounds */
export function readSettings(payload: Uint8Array): PeerSettings {
  if (payload.length % 6 !== 0) throw new ConnectionError(errorCodes.frameSize, 'SETTINGS of a wrong size');
  const settings: PeerSettings = {};
  for (let at = 0; at < payload.length; at += 6) {
    const id = ((payload[at] as number) << 8) | (payload[at + 1] as number);
    const value = readUint32(payload, at + 2);
    if (id === settingIds.headerTableSize) {
      settings.headerTableBytes = Math.min(value, settings.headerTableBytes ?? value);
    } else if (id === settingIds.enablePush) {
      if (value > 1) throw new ConnectionError(errorCodes.protocol, `ENABLE_PUSH is ${value}`);
    } else if (id === settingIds.initialWindowSize) {
      if (value > largestWindowBytes) {
        throw new ConnectionError(errorCodes.flowControl, `INITIAL_WINDOW_SIZE is ${value}`);
      }
      settings.initialWindowBytes = value;
    } else if (id === settingIds.maxFrameSize) {
      if (value < smallestFrameBytes || value > largestFrameBytes) {
        throw new ConnectionError(errorCodes.protocol, `MAX_FRAME_SIZE is ${value}`);
      }
      settings.maxFrameBytes = Math.min(value, 64 * 1024);
    }
  }
  return settings;
}
