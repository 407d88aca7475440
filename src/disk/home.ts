/** The one home of imported models and of the caches, shared by the extension and the command line. */
import { chmod, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { makeFolder, PRIVATE_FOLDER } from './atomicFile';

/**
 * Absolute path of the home (it need not exist): `AP_MEDSAM_HOME` where set, else `ap-medsam` in the platform's folder
 * for a user's application data.
 */
export function homeDir(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  userHome: string = homedir(),
): string {
  if (env.AP_MEDSAM_HOME) return resolve(env.AP_MEDSAM_HOME);
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(userHome, 'AppData', 'Local'), 'ap-medsam');
  if (platform === 'darwin') return join(userHome, 'Library', 'Application Support', 'ap-medsam');
  // The XDG base directory specification (0.8) tells to ignore a relative path.
  const dataHome = env.XDG_DATA_HOME && isAbsolute(env.XDG_DATA_HOME) ? env.XDG_DATA_HOME : undefined;
  return join(dataHome ?? join(userHome, '.local', 'share'), 'ap-medsam');
}

/** Imported models and the manifest that lists them. */
export const homeModelsDir = (home: string): string => join(home, 'models');

/** Tokens and image embeddings. */
export const homeCacheDir = (home: string): string => join(home, 'cache');

/** Copies of the runtime with providers that npm's package has no room for. */
const homeRuntimeDir = (home: string): string => join(home, 'runtime');

/** Pictures of images as the editor shows them. */
export const homeDisplayDir = (home: string): string => join(home, 'display');

/**
 * Makes the home before something is written into it, for nobody but its user. Throws UserError if it cannot be made.
 */
export async function openHome(home: string): Promise<void> {
  await makeFolder(home, { isPrivate: true });
  await closeHome(home);
}

/** Takes permissions from others that versions up to 0.1.0 left them: caches hold what images show. */
export async function closeHome(home: string): Promise<void> {
  for (const folder of [home, homeModelsDir(home), homeCacheDir(home), homeDisplayDir(home), homeRuntimeDir(home)]) {
    await closeToOthers(folder, PRIVATE_FOLDER);
  }
}

/** Takes permissions from others, where there are any and that can be. */
export async function closeToOthers(path: string, mode: number): Promise<void> {
  // A file that has gone meanwhile, or belongs to somebody else, is theirs to close; Windows has no such permissions.
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && (found.mode & 0o077) !== 0) await chmod(path, mode).catch(() => undefined);
}
