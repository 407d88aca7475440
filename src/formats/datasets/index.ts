/** The formats in which labels leave, by the name that `--format` takes. */
import { coco } from './coco';
import type { DatasetFormat } from './datasetFormat';

export const datasetFormats: Readonly<Record<string, DatasetFormat>> = { coco };
