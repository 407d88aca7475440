/** How sentences name a model and its size. */
import type { ModelName } from '../protocol/modelApi';
import type { ModelEntry } from './manifest';

/** `encoder "dinov2-small"`. */
export const label = ({ kind, id }: ModelName): string => `${kind} "${id}"`;

/** Bytes of the whole model, undefined where a size is not known. */
export function modelBytes({ files }: ModelEntry): number | undefined {
  const sizes = files.map(({ bytes }) => bytes);
  return sizes.every((bytes) => bytes !== undefined) ? sizes.reduce((sum, bytes) => sum + bytes, 0) : undefined;
}

/** "88.5 MB", "12.0 kB", "1.3 GB", or "unknown size". */
export function sizeText(bytes: number | undefined): string {
  if (bytes === undefined) return 'unknown size';
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
