/**
 * Model families that have an adapter, and what their entries in a manifest need to say; apart from the adapters, so
 * that asking costs no native library.
 */

/** What holds for every model of a family unless its manifest entry says otherwise. */
interface FamilyTraits {
  /** Roles of its files that are ONNX graphs, in the order in which an import names them. */
  readonly graphs: readonly string[];
  /** Side in modelPx of the square that images are brought to. */
  readonly inputSide: number;
  /** Sides must be multiples of this. */
  readonly patchSize: number;
}

const ONE_GRAPH = ['model'] as const;
const TWO_GRAPHS = ['encoder', 'decoder'] as const;

/** SAM and its descendants see 1024 px in patches of 16. */
const SAM: FamilyTraits = { graphs: TWO_GRAPHS, inputSide: 1024, patchSize: 16 };

const encoders = {
  embedded: { graphs: ONE_GRAPH, inputSide: 288, patchSize: 32 },
  dinov2: { graphs: ONE_GRAPH, inputSide: 518, patchSize: 14 },
  dinov3: { graphs: ONE_GRAPH, inputSide: 512, patchSize: 16 },
} as const satisfies Record<string, FamilyTraits>;

const segmenters = {
  embedded: { graphs: ONE_GRAPH, inputSide: 288, patchSize: 32 },
  sam: SAM,
  'mobile-sam': SAM,
  'sam-hq': SAM,
  'slim-sam': SAM,
  medsam: SAM,
  sam2: SAM,
  'efficient-sam': SAM,
} as const satisfies Record<string, FamilyTraits>;

export type EncoderFamily = keyof typeof encoders;

export type SegmenterFamily = keyof typeof segmenters;

export const encoderFamilyNames = Object.keys(encoders) as readonly EncoderFamily[];

export const segmenterFamilyNames = Object.keys(segmenters) as readonly SegmenterFamily[];

/** Undefined for a family that has no adapter. */
export function familyTraits(kind: 'encoder' | 'segmenter', family: string): FamilyTraits | undefined {
  const families: Readonly<Record<string, FamilyTraits>> = kind === 'encoder' ? encoders : segmenters;
  return Object.hasOwn(families, family) ? families[family] : undefined;
}
