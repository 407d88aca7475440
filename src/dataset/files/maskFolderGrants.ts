/**
 * Mask folders outside their root, or behind a link in it, into which a person has allowed to write: kept in the home,
 * for command line and editor alike. A project file from elsewhere may name any folder; what it names is not a person's
 * word.
 */
import { basename, dirname, join, relative } from 'node:path';
import * as z from 'zod';
import { UserError } from '../../core/userError';
import { writeAtomic } from '../../disk/atomicFile';
import { FILE_KINDS, readGuarded, refuseLinks, textOf } from '../../disk/guardedFile';
import { openHome } from '../../disk/home';
import { realPath } from '../../disk/nameForms';
import { isAbsence } from '../../disk/storageError';
import { leaves, resolveMaskFolder } from './maskFolder';

/** Asks a person whether masks may be written into a folder, given its absolute path. */
type AskForFolder = (root: string, folder: string) => Promise<boolean>;

const fileSchema = z.object({
  version: z.literal(1),
  granted: z.array(z.object({ root: z.string(), folder: z.string() })),
});

type Grant = z.infer<typeof fileSchema>['granted'][number];

/** The oldest ones go, and are asked for again. */
const KEPT = 1000;

export class MaskFolderGrants {
  /**
   * @param home where they are kept; null for nowhere, so that none is granted
   * @param ask undefined where nobody can be asked: then a folder that is not granted is refused
   */
  constructor(
    private readonly home: string | null,
    private readonly ask?: AskForFolder,
  ) {}

  /**
   * Absolute mask folder of a setting, in which masks may be written.
   *
   * @throws UserError for a folder outside the root, or behind a link in it, that no person has allowed
   */
  async require(root: string, setting: string): Promise<string> {
    const folder = resolveMaskFolder(root, setting);
    const reason = await whyAsk(root, folder);
    if (reason === null || (await this.has(root, folder))) return folder;
    if (await this.ask?.(root, folder)) {
      await this.grant(root, setting);
      return folder;
    }
    throw new UserError(
      `The mask folder ${folder} of ${root} ${reason}, so nothing is written there unless you say so: give it with --out on the command line, or allow it in the editor.`,
    );
  }

  /** Allows a folder that a person has named. Throws UserError if that cannot be remembered. */
  async grant(root: string, setting: string): Promise<void> {
    const folder = resolveMaskFolder(root, setting);
    if (this.home === null || (await whyAsk(root, folder)) === null || (await this.has(root, folder))) return;
    const granted = [await grantOf(root, folder), ...(await this.read())].slice(0, KEPT);
    await openHome(this.home);
    const options = { within: this.home, isPrivate: true };
    await writeAtomic(fileIn(this.home), `${JSON.stringify({ version: 1, granted }, null, 2)}\n`, options);
  }

  private async has(root: string, folder: string): Promise<boolean> {
    const wanted = await grantOf(root, folder);
    return (await this.read()).some((one) => one.root === wanted.root && one.folder === wanted.folder);
  }

  /** What is damaged or of another version allows nothing. */
  private async read(): Promise<readonly Grant[]> {
    if (this.home === null) return [];
    try {
      const bytes = await readGuarded(fileIn(this.home), this.home, FILE_KINDS.record);
      return bytes === null ? [] : fileSchema.parse(JSON.parse(textOf(bytes))).granted;
    } catch {
      return [];
    }
  }
}

const fileIn = (home: string): string => join(home, 'mask-folders.json');

/** Words to follow "the mask folder"; null for a real folder of the root. */
async function whyAsk(root: string, folder: string): Promise<string | null> {
  if (leaves(relative(root, folder))) return 'lies outside it';
  try {
    await refuseLinks(folder, root);
    return null;
  } catch (error) {
    if (error instanceof UserError) return 'is a link, or lies behind one';
    throw error;
  }
}

/** Both by what they lead to: a link that is changed later was not allowed. */
const grantOf = async (root: string, folder: string): Promise<Grant> => ({
  root: await realPlace(root),
  folder: await realPlace(folder),
});

/** The real path of what need not exist yet. */
async function realPlace(path: string): Promise<string> {
  try {
    return await realPath(path);
  } catch (error) {
    if (!isAbsence(error) || path === dirname(path)) throw error;
    return join(await realPlace(dirname(path)), basename(path));
  }
}
