/** `.apmedsam/instances/<image>.json`: single objects of the classes that were segmented one by one. */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { cocoCounts, fromRuns, type RunMask } from '../core/mask';
import { readIfPresent, writeAtomic } from '../disk/atomicFile';
import { explainWriteError, isAbsence } from '../disk/storageError';
import { absolutePath, PROJECT_FOLDER } from './folder';

const classInstances = z.object({
  /** Id of the class. */
  class: z.int(),
  /** SHA-256 of the mask file they were written with: they hold while the class's journal entry names it too. */
  mask: z.string(),
  /** COCO's uncompressed run lengths: size [height, width], counts column-major, starting with background. */
  instances: z.array(z.object({ size: z.tuple([z.int(), z.int()]), counts: z.array(z.int()) })),
});

const fileSchema = z.object({ image: z.string(), classes: z.array(classInstances) });

export type ClassInstances = Readonly<z.infer<typeof classInstances>>;

export function instancesFile(root: string, image: string): string {
  return absolutePath(join(root, PROJECT_FOLDER, 'instances'), `${image}.json`);
}

/** Instances of all classes of an image, none if there is no file or not a valid one: they can be made again. */
export async function readInstances(root: string, image: string): Promise<readonly ClassInstances[]> {
  const bytes = await readIfPresent(instancesFile(root, image));
  if (bytes === null) return [];
  try {
    return fileSchema.parse(JSON.parse(bytes.toString('utf8'))).classes;
  } catch {
    return [];
  }
}

/** Replaces one class's instances; other classes' stay, and a file without any is removed. */
export async function saveInstances(
  root: string,
  image: string,
  classId: number,
  maskHash: string,
  instances: readonly RunMask[],
): Promise<void> {
  const path = instancesFile(root, image);
  const before = await readInstances(root, image);
  const classes = before.filter((one) => one.class !== classId);
  if (instances.length > 0) {
    const encoded = instances.map((mask) => {
      const { width, height } = mask.size;
      return { size: [height, width] as [number, number], counts: cocoCounts(fromRuns(mask)) };
    });
    classes.push({ class: classId, mask: maskHash, instances: encoded });
  }
  if (classes.length > 0) {
    classes.sort((a, b) => a.class - b.class);
    await writeAtomic(path, `${JSON.stringify({ image, classes })}\n`);
  } else if (before.length > 0) {
    await unlink(path).catch((error: unknown) => {
      if (!isAbsence(error)) throw explainWriteError(error, path);
    });
  }
}
