/** How alike two images look, patch by patch: what tells at which scale one is seen as the other. */
import { area } from '../geometry';
import type { PatchTokens } from './patchGrid';
import { dotAt, unitTokens } from './tokenRows';

/** Patches that are looked at; more tell the same. Chosen, not measured. */
const SAMPLED = 64;

/**
 * Mean cosine of patches of an image, spread evenly, each with the patch of a reference that is most like it; tokens of
 * the same `dim`.
 */
export function resemblance(image: PatchTokens, reference: PatchTokens): number {
  const { dim } = image;
  const own = unitTokens(image).data;
  const other = unitTokens(reference).data;
  const step = Math.max(1, Math.floor(area(image.grid) / SAMPLED));
  let sum = 0;
  let count = 0;
  for (let patch = 0; patch < area(image.grid); patch += step) {
    let most = -1;
    for (let at = 0; at < other.length; at += dim) most = Math.max(most, dotAt(own, patch * dim, other, at, dim));
    sum += most;
    count++;
  }
  return sum / count;
}
