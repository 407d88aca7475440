/** The one home of imported models and of the caches, shared by the extension and the command line. */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * Absolute path of the home (it need not exist): `AP_MEDSAM_HOME` where set, else `ap-medsam` in the platform's folder for
 * a user's application data.
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

/** Pictures of images as the editor shows them. */
export const homeDisplayDir = (home: string): string => join(home, 'display');
