export { EfficientSamSegmenter } from './efficientSamSegmenter';
export { EmbeddedSegmenter } from './embeddedSegmenter';
export type { ImageEmbedding, PixelSegmenter, Segmenter } from './imageSegmenter';
export { SamSegmenter } from './samSegmenter';
export { TransformersSegmenter } from './transformersSegmenter';
