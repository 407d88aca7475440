/** Names of the model families that have an adapter; apart from the adapters, so that asking costs no native library. */

export const encoderFamilyNames = ['embedded'] as const;

export const segmenterFamilyNames = ['embedded'] as const;

export type EncoderFamily = (typeof encoderFamilyNames)[number];

export type SegmenterFamily = (typeof segmenterFamilyNames)[number];
