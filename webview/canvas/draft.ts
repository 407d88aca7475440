/** What a tool is drawing and has not finished. */
import type { Box, Point } from '../../src/core/geometry';

/** All in targetPx. */
export type Draft =
  | { readonly kind: 'cursor'; readonly centre: Point; readonly radius: number; readonly erases: boolean }
  | { readonly kind: 'polygon'; readonly points: readonly Point[]; readonly closing: boolean }
  | { readonly kind: 'box'; readonly box: Box };
