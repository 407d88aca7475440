/** The sample images under their own names, for tests inside VS Code and beside it. */
import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';

/** `nuclei_01.png` for 1, up to 10. */
export const sampleName = (n: number): string => `nuclei_${String(n).padStart(2, '0')}.png`;

/** Copies these samples into `<folder>/images`. `root` holds `models/`. */
export async function copySamples(root: string, folder: string, numbers: readonly number[]): Promise<void> {
  await mkdir(path.join(folder, 'images'), { recursive: true });
  for (const n of numbers) await copyFile(sampleFile(root, 'images', n), path.join(folder, 'images', sampleName(n)));
}

/** The n-th sample or its known mask. */
export const sampleFile = (root: string, kind: 'images' | 'masks', n: number): string =>
  path.join(root, 'models', 'samples', 'nuclei', kind, sampleName(n));
