/** One intensity window for all images of a folder, found once. */
import { NoEngineError } from '../../core/userError';
import type { BandChoice, ImageInfo, IntensityWindow } from '../../protocol/engineApi';
import { absolutePath } from '../files/folder';
import { spread } from '../files/spread';
import { type Project, updateProject } from './project';

/** What finding a window needs of the engine. */
export interface WindowEngine {
  inspectImage(params: { image: string }): Promise<ImageInfo>;
  sampleWindow(params: { images: readonly string[]; bands?: BandChoice }): Promise<IntensityWindow>;
}

/** Enough images to meet the range of a folder, few enough to open before the work starts. */
const SAMPLES = 16;

/**
 * The project's window; where it has none and some of a sample of images have more than 8 bits per channel, one is
 * measured on those and stored in project.json. Null for a folder of 8-bit images, and where no deep one can be
 * decoded.
 *
 * @param images posix paths relative to the root; the same list gives every shard the same sample
 * @param reference absolute path of the reference image and what it was found to be
 */
export async function folderWindow(
  engine: WindowEngine,
  root: string,
  project: Project,
  images: readonly string[],
  reference: { readonly image: string; readonly info: ImageInfo },
): Promise<IntensityWindow | null> {
  if (project.window !== undefined) return project.window;
  const measured = await measureWindow(engine, root, project, images, reference);
  if (measured === null) return null;
  const { low, high } = measured;
  // Another shard may have stored its window first: then that one counts for all.
  const stored = await updateProject(root, project, (now) => (now.window ? now : { ...now, window: { low, high } }));
  return stored.window ?? null;
}

/**
 * The window that a sample of images asks for, null where all are of 8 bits or damaged; nothing is stored. As
 * `folderWindow`.
 */
export async function measureWindow(
  engine: WindowEngine,
  root: string,
  { bands }: Pick<Project, 'bands'>,
  images: readonly string[],
  reference?: { readonly image: string; readonly info: ImageInfo },
): Promise<IntensityWindow | null> {
  const deep = reference && reference.info.depth > 8 ? [reference.image] : [];
  for (const image of spread(images, SAMPLES)) {
    const path = absolutePath(root, image);
    if (path === reference?.image) continue;
    const info = await unlessDamaged(engine.inspectImage({ image: path }));
    if (info !== null && info.depth > 8) deep.push(path);
  }
  return deep.length === 0
    ? null
    : sampleReadable((some) => engine.sampleWindow({ images: some, ...(bands && { bands }) }), deep);
}

/** The window over those of the images that can be decoded, null where none can: damaged files do not stop a folder. */
async function sampleReadable(
  sample: (images: readonly string[]) => Promise<IntensityWindow>,
  images: readonly string[],
): Promise<IntensityWindow | null> {
  const sampled = await unlessDamaged(sample(images));
  if (sampled !== null) return sampled;
  const readable: string[] = [];
  for (const image of images) {
    if ((await unlessDamaged(sample([image]))) !== null) readable.push(image);
  }
  return readable.length === 0 ? null : await sample(readable);
}

/** Null for an image that cannot be read: it is reported when its turn comes. */
async function unlessDamaged<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof NoEngineError) throw error;
    return null;
  }
}
