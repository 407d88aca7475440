/** Where pictures of images lie on disk; apart from drawing them, so that counting them costs no native library. */
import { BoundedFolder } from '../../disk/boundedFolder';
import { homeDisplayDir } from '../../disk/home';

export const OVERVIEW = 'overview';
export const TILES = 'tiles';

export function openDisplayFolder(homeDir: string, capBytes: number): BoundedFolder {
  return new BoundedFolder(homeDisplayDir(homeDir), capBytes, [OVERVIEW, TILES]);
}
