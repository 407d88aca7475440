/** Stage *competition*: what becomes of the classes of an image once they have competed for its pixels. */
import { compete } from '../pixels/competition';
import { intersectRuns } from '../pixels/labelMap';
import { hasForeground, runArea } from '../pixels/mask';
import { withdrawn } from './absent';
import type { Segmentation } from './strategy';

/** Less of a mask than this is not worth a note. */
const LEAST_LOSS = 0.01;

/**
 * The segmentations with masks that have no pixel in common, instances cut to them; see `compete`. Trust and IoU
 * prediction stay those of the mask as it was drawn. A class that wins no pixel is absent.
 *
 * @param classIds of the segmentations; where claims are equal the lower one wins
 */
export function settleClasses(found: readonly Segmentation[], classIds: readonly number[]): Segmentation[] {
  const settled = [...found];
  const drawn = found.map((_, index) => index).filter((index) => found[index].outcome === 'mask');
  drawn.sort((a, b) => classIds[a] - classIds[b]);
  compete(drawn.map((index) => found[index])).forEach((mask, rank) => {
    const before = found[drawn[rank]];
    const lost = 1 - runArea(mask) / runArea(before.mask);
    if (lost === 0) return;
    const share = Math.round(lost * 100);
    const note = lost < 1 ? `${share} % of its mask went to other classes` : 'all of its mask went to other classes';
    const notes = lost < LEAST_LOSS ? before.notes : [...before.notes, note];
    if (!hasForeground(mask)) {
      settled[drawn[rank]] = withdrawn(before, notes);
      return;
    }
    const instances = before.instances
      .map((instance) => ({ ...instance, mask: intersectRuns(instance.mask, mask) }))
      .filter((instance) => hasForeground(instance.mask));
    settled[drawn[rank]] = { ...before, mask, instances, notes };
  });
  return settled;
}
