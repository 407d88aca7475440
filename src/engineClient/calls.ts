/** The engine's calls by name, and which engine of several gets each. */
import type { BatchApi, EngineApi } from '../protocol/engineApi';

/** Which engine of a pool a call goes to; `leastBusy` is the first of equals, so that few calls start few processes. */
export type Route = 'first' | 'leastBusy';

/** The calls that a batch makes. */
export const BATCH_ROUTES: { readonly [M in keyof BatchApi]: Route } = {
  info: 'first',
  // It leaves the reference's tokens in the cache on disk; the other engines find them there, since every segment
  // request names its reference.
  prepareReference: 'first',
  inspectImage: 'leastBusy',
  readReference: 'leastBusy',
  sampleWindow: 'leastBusy',
  segment: 'leastBusy',
  segmentClasses: 'leastBusy',
  describeImage: 'leastBusy',
  saveOverlay: 'leastBusy',
};

/** All calls: those of an editor go to the one engine that it has. */
export const ENGINE_CALLS: { readonly [M in keyof EngineApi]: Route | 'only' } = {
  ...BATCH_ROUTES,
  decode: 'only',
  prefetch: 'only',
  displayOverview: 'only',
  displayTiles: 'only',
  readLabels: 'only',
};
