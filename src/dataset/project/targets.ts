/** Which of the images found in a folder are to be labelled. */
import { nameForm } from '../../disk/nameForms';
import { absolutePath, type FolderScan } from '../files/folder';
import type { JournalView } from '../journal/journalView';
import { type ProjectReference, resolveStored } from './project';

/**
 * A scan without the masks of references, which are never labelled themselves, and with those files that look like
 * masks of other images but whose own masks a person has judged: to that person they are images.
 */
export function targetsOf(
  root: string,
  scan: FolderScan,
  view: JournalView,
  references: readonly ProjectReference[],
): FolderScan {
  const judged = scan.masks.filter(({ mask }) => view.isJudged(mask));
  const support = new Map(references.map((one) => [nameForm(resolveStored(root, one.mask)), one.image]));
  const supportOf = (image: string) => support.get(nameForm(absolutePath(root, image)));
  const all = judged.length === 0 ? scan.images : [...scan.images, ...judged.map(({ mask }) => mask)].sort();
  const images = all.filter((image) => supportOf(image) === undefined);
  const more = all.flatMap((mask) => {
    const image = supportOf(mask);
    return image === undefined ? [] : [{ mask, image }];
  });
  return { ...scan, images, masks: [...scan.masks.filter((one) => !judged.includes(one)), ...more] };
}

/** What a person should know of the masks among the images, null where there are none. */
export function noteOnMasks({ masks }: Pick<FolderScan, 'masks'>): string | null {
  if (masks.length === 0) return null;
  const example = masks.length > 1 ? `, such as ${masks[0].mask}` : `: ${masks[0].mask}`;
  return `left out: ${masks.length === 1 ? 'a file that looks like the mask of another image' : `${masks.length} files that look like masks of other images`}${example}.`;
}
