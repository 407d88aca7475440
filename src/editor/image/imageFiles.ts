/** The files of an open image: where they are, and what an editor reads of them. */
import { stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type Size, sameSize } from '../../core/geometry';
import { describeMisfit, fitOf, turnUpright } from '../../core/maskFiles/maskFit';
import { blankLabels, fromLabelRuns, type LabelMap, valuesOf } from '../../core/pixels/labelMap';
import { UserError } from '../../core/userError';
import { PROJECT_FOLDER } from '../../dataset/files/folder';
import { leaves } from '../../dataset/files/maskFolder';
import { DEFAULT_CLASS } from '../../dataset/project/classes';
import type { Project } from '../../dataset/project/project';
import type { ProjectRoot } from '../../dataset/projectRoot';
import { readOnlyFolder } from '../../disk/permission';
import type {
  BandChoice,
  DisplayOverview,
  EngineApi,
  FileLabels,
  ImageInfo,
  IntensityWindow,
  Shown,
} from '../../protocol/engineApi';
import type { Remote } from '../../rpc';

/** Where an image stands among the files of its project. */
export interface ImagePlace {
  readonly root: ProjectRoot;
  /** Posix path relative to the root. */
  readonly image: string;
  /** Absolute. */
  readonly path: string;
  /** Absolute path of its mask, which need not exist. */
  readonly mask: string;
}

/** What was read when the image was opened, or last reloaded. */
export interface Opened {
  readonly overview: DisplayOverview;
  /** The bands that are shown, where the project says which. */
  readonly bands: BandChoice | undefined;
  readonly labels: LabelMap;
  /** SHA-256 of the mask file, null where there is none. */
  readonly maskHash: string | null;
  /** Why the mask must not be written over. */
  readonly problem: string | null;
  /** How the mask was read, where it is not plain: what a person should know. */
  readonly notes: readonly string[];
}

/** How the models see the images of a project. */
export const viewOf = ({ window, bands }: Project): Shown => ({
  ...(window && { window: { low: window.low, high: window.high } }),
  ...(bands && { bands }),
});

/** The class to begin with: one that has a reference, else the first one. */
export function firstClass({ classes, references }: Project): number {
  return references[0]?.class ?? classes[0]?.id ?? DEFAULT_CLASS.id;
}

/** Reads what an editor shows first. A mask that cannot be used leaves the labels empty and says why. */
export async function readLabelled(
  { root, path, mask }: ImagePlace,
  engine: Remote<EngineApi>,
  window?: IntensityWindow,
): Promise<Opened> {
  const project = await root.project();
  const { bands } = project;
  const [overview, found] = await Promise.all([
    engine.displayOverview({ image: path, ...(window && { window }), ...(bands && { bands }) }),
    readMask(engine, mask, project),
  ]);
  const { size } = overview.info;
  const readOnly = await whyReadOnly(root.root, mask);
  const blank = { overview, bands, labels: blankLabels(size), maskHash: null, notes: [] };
  if (!leaves(relative(await root.maskFolder(), path))) {
    return { ...blank, problem: `${path} lies in the mask folder: open the image that it is the mask of.` };
  }
  if (found === null) return { ...blank, problem: readOnly };
  if ('problem' in found) return { ...blank, maskHash: '', problem: found.problem };
  const { hash: maskHash, manner, notes } = found;
  const laid = layOver(found.labels, overview.info, { mask, image: path });
  if ('misfit' in laid)
    return { ...blank, maskHash, problem: `${laid.misfit} Move the mask away or repair it, it is not written over.` };
  const labels = foreignAsClass(laid.labels, firstClass(project), project.classes);
  // An edit would cost what no class id can say.
  const problem =
    manner === 'instances'
      ? `The mask ${mask} is not written over (${notes.join('; ')}): move it away to draw another one.`
      : readOnly;
  return { overview, bands, labels, maskHash, problem, notes: [...notes, ...laid.notes] };
}

/** Said before anybody has drawn what could not be saved. */
async function whyReadOnly(root: string, mask: string): Promise<string | null> {
  for (const folder of [dirname(mask), join(root, PROJECT_FOLDER)]) {
    const refusing = await readOnlyFolder(folder);
    if (refusing === null) continue;
    return `nothing can be saved in ${refusing}: allow writing there, or copy the images elsewhere.`;
  }
  return null;
}

/**
 * Labels as they lie on the upright image: those drawn on the stored pixels of one with an EXIF orientation are turned.
 */
function layOver(
  labels: LabelMap,
  { size, orientation = 1 }: { readonly size: Size; readonly orientation?: number },
  of: { readonly mask: string; readonly image: string },
): { readonly labels: LabelMap; readonly notes: readonly string[] } | { readonly misfit: string } {
  if (sameSize(labels.size, size)) return { labels, notes: [] };
  if (fitOf(labels.size, size, orientation) === 'neither') {
    return { misfit: describeMisfit(of, labels.size, size, orientation) };
  }
  const notes = [
    `drawn on the stored pixels: it was turned upright by the EXIF orientation ${orientation} of its image`,
  ];
  return { labels: turnUpright(labels, orientation), notes };
}

/**
 * Labels of any mask file as they lie on an open image. Throws UserError for a mask that cannot be read, or of another
 * size.
 *
 * @param mask absolute path
 * @param image absolute path
 */
export async function readForeignMask(
  engine: Remote<EngineApi>,
  mask: string,
  image: string,
  picture: { readonly info: ImageInfo },
  classes: readonly { readonly id: number }[],
): Promise<{ readonly labels: LabelMap; readonly notes: readonly string[] }> {
  const read = await engine.readLabels({ mask, classIds: classes.map(({ id }) => id), isForeign: true });
  const laid = layOver(fromLabelRuns(read.labels), picture.info, { mask, image });
  if ('misfit' in laid) throw new UserError(laid.misfit);
  return { labels: laid.labels, notes: [...read.notes, ...laid.notes] };
}

async function readMask(
  engine: Remote<EngineApi>,
  mask: string,
  { classes }: Project,
): Promise<
  | { labels: LabelMap; hash: string; manner: FileLabels['manner']; notes: readonly string[] }
  | { problem: string }
  | null
> {
  // Nothing there, or the empty file that a crash left where a mask was about to be made.
  const { size } = await stat(mask).catch(() => ({ size: 0 }));
  if (size === 0) return null;
  try {
    const found = await engine.readLabels({ mask, classIds: classes.map(({ id }) => id) });
    const { sha256: hash, manner, notes } = found;
    return { labels: fromLabelRuns(found.labels), hash, manner, notes };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { problem: error.message };
  }
}

/** A mask of one value that is no class of the project is another tool's binary mask: its foreground is `classId`. */
export function foreignAsClass(
  labels: LabelMap,
  classId: number,
  classes: readonly { readonly id: number }[],
): LabelMap {
  const values = valuesOf(labels);
  if (values.length !== 1 || classes.some(({ id }) => id === values[0])) return labels;
  return { size: labels.size, data: labels.data.map((value) => (value === 0 ? 0 : classId)) };
}
