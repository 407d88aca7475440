/** Stage *abstention*: an image whose mask is hardly to be believed is called absent instead. */
import { withdrawn } from '../absent';
import type { Segmentation } from '../strategy';

/** The segmentation, or one without its mask where its trust is below `minTrust`. */
export function abstainBelow(found: Segmentation, minTrust: number): Segmentation {
  const { outcome, trust } = found;
  if (outcome === 'absent' || trust === undefined || trust >= minTrust) return found;
  const note = `probably absent: what was found is trusted ${trust.toFixed(2)}, less than ${minTrust.toFixed(2)}`;
  return withdrawn(found, [...found.notes, note]);
}
