/** Where a JPEG ends: told by its markers (ISO/IEC 10918-1, annex B), no pixel is decoded. */

const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;

/** Markers without a length: TEM, the restarts and the start of an image. */
const standsAlone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);

const isRestart = (marker: number): boolean => marker >= 0xd0 && marker <= 0xd7;

/**
 * Whether the end marker of the (first) image of a JPEG is missing, since the file was cut short. Bytes after the end
 * do not matter: cameras and phones put more there.
 */
export function lacksEnd(bytes: Uint8Array): boolean {
  // Nearly all files end here, without having been gone through.
  if (bytes.at(-2) === 0xff && bytes.at(-1) === END_OF_IMAGE) return false;
  for (let at = 2; at + 1 < bytes.length; ) {
    if (bytes[at] !== 0xff) return false;
    const marker = bytes[at + 1];
    if (marker === END_OF_IMAGE) return false;
    if (marker === 0xff) at++;
    else if (standsAlone(marker)) at += 2;
    else if (at + 3 < bytes.length) {
      at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
      if (marker === START_OF_SCAN) at = endOfScan(bytes, at);
    } else return true;
  }
  return true;
}

/** Position of the marker that ends coded data, or the end of the file. */
function endOfScan(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1];
    if (next === undefined) break;
    // A stuffed zero makes the 0xff a number; further 0xff fill up.
    if (next !== 0 && next !== 0xff && !isRestart(next)) return at;
  }
  return bytes.length;
}
