/** What systems, servers and programs leave in folders of images: never looked at. */

/** In lower case. */
const NAMES: ReadonlySet<string> = new Set([
  // Windows.
  'thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  '$recycle.bin',
  'recycler',
  'system volume information',
  'found.000',
  // macOS, in archives; what else it leaves begins with a dot.
  '__macosx',
  // Linux.
  'lost+found',
  // Network storage by Synology and QNAP: thumbnails, deleted files, snapshots.
  '@eadir',
  '#recycle',
  '#snapshot',
  '@recycle',
  '@recently-snapshot',
]);

/** Whether a file or folder of this name is litter, by convention of whoever leaves it; dot files are. */
export const isLitter = (name: string): boolean => name.startsWith('.') || NAMES.has(name.toLowerCase());
