/** Stage *abstention*: an image whose mask is hardly to be believed is called absent instead. */
import { emptyRuns } from '../../pixels/mask';
import type { Segmentation } from '../strategy';

/**
 * The segmentation, or `absent` with an empty mask where its trust is below `minTrust`. What was found is not told but
 * in the numbers: trust and its parts stay, so that a person can see how near it was.
 */
export function abstainBelow(found: Segmentation, minTrust: number): Segmentation {
  const { outcome, trust, mask } = found;
  if (outcome === 'absent' || trust === undefined || trust >= minTrust) return found;
  const note = `probably absent: what was found is trusted ${trust.toFixed(2)}, less than ${minTrust.toFixed(2)}`;
  return {
    ...found,
    outcome: 'absent',
    mask: emptyRuns(mask.size),
    instances: [],
    logits: [],
    notes: [...found.notes, note],
  };
}
