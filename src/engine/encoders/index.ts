export { DinoEncoder } from './dinoEncoder';
export { EmbeddedEncoder, embeddedFeatures } from './embeddedEncoder';
export type { Encoding, ImageEncoder } from './imageEncoder';
