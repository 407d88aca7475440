/** `.apmedsam/instances/<image>.json`: single objects of the classes that were segmented one by one. */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import * as z from 'zod';
import { cocoCounts } from '../../core/pixels/mask';
import type { Instance } from '../../core/prompting/instances';
import { removeIfPresent, writeAtomic } from '../../disk/atomicFile';
import { FILE_KINDS, readGuarded, textOf } from '../../disk/guardedFile';
import type { Patience } from '../../disk/patience';
import { absolutePath, PROJECT_FOLDER } from '../files/folder';

const classInstances = z.object({
  /** Id of the class. */
  class: z.int(),
  /** SHA-256 of the mask file they were written with: they hold while the class's journal entry names it too. */
  mask: z.string(),
  instances: z.array(
    z.object({
      /** COCO's uncompressed run lengths: size [height, width], counts column-major, starting with background. */
      size: z.tuple([z.int(), z.int()]),
      counts: z.array(z.int()),
      /** The segmenter's own estimate; null where it gave none. Files of earlier versions have no scores. */
      iouPrediction: z.number().nullable().exactOptional(),
      /** 0 to 1; null where nobody judged. */
      trust: z.number().nullable().exactOptional(),
    }),
  ),
});

const fileSchema = z.object({ image: z.string(), classes: z.array(classInstances) });

type ClassInstances = Readonly<z.infer<typeof classInstances>>;

export function instancesFile(root: string, image: string): string {
  return absolutePath(join(root, PROJECT_FOLDER, 'instances'), `${image}.json`);
}

/** Instances of all classes of an image, none if there is no file or not a valid one: they can be made again. */
export async function readInstances(root: string, image: string): Promise<readonly ClassInstances[]> {
  const bytes = await readGuarded(instancesFile(root, image), root, FILE_KINDS.instances);
  if (bytes === null) return [];
  try {
    return fileSchema.parse(JSON.parse(textOf(bytes))).classes;
  } catch {
    return [];
  }
}

/**
 * The instances of a class, where they belong to the mask that the class's journal entry names (`maskHash`). After a
 * person's edit they do not, so nobody is told of objects that are no longer drawn; they stay in the file, and hold
 * again when the edit is undone, since the same labels give the same file.
 */
export async function heldInstances(
  root: string,
  image: string,
  classId: number,
  maskHash: string | null,
): Promise<ClassInstances['instances']> {
  const found = (await readInstances(root, image)).find((one) => one.class === classId);
  return found !== undefined && found.mask === maskHash ? found.instances : [];
}

/**
 * Makes a class's instances that hold for the mask `from` hold for `to`, a mask file with the same pixels of the class.
 */
export async function carryInstances(
  root: string,
  image: string,
  classId: number,
  from: string | null,
  to: string,
): Promise<void> {
  const classes = await readInstances(root, image);
  if (from === to || !classes.some((one) => one.class === classId && one.mask === from)) return;
  const carried = classes.map((one) => (one.class === classId ? { ...one, mask: to } : one));
  await writeAtomic(instancesFile(root, image), fileText(image, carried), { within: root });
}

/** Replaces one class's instances; other classes' stay, and a file without any is removed. */
export async function saveInstances(
  root: string,
  image: string,
  classId: number,
  maskHash: string,
  instances: readonly Instance[],
  patience?: Patience,
): Promise<void> {
  const path = instancesFile(root, image);
  const options = { within: root, patience };
  const before = await readInstances(root, image);
  const classes = before.filter((one) => one.class !== classId);
  if (instances.length > 0) {
    const encoded: ClassInstances['instances'] = [];
    for (const { mask, iouPrediction, trust = null } of instances) {
      const { width, height } = mask.size;
      encoded.push({ size: [height, width], counts: cocoCounts(mask), iouPrediction, trust });
      // There may be hundreds, and the caller's event loop has other work.
      await setImmediate();
    }
    classes.push({ class: classId, mask: maskHash, instances: encoded });
  }
  if (classes.length > 0) {
    classes.sort((a, b) => a.class - b.class);
    await writeAtomic(path, fileText(image, classes), options);
  } else if (before.length > 0) {
    await removeIfPresent(path, options);
  }
}

const fileText = (image: string, classes: readonly ClassInstances[]): string =>
  `${JSON.stringify({ image, classes })}\n`;
