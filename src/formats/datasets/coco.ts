/**
 * COCO's object detection format (cocodataset.org/#format-data): one `annotations.json`. Masks are uncompressed run
 * lengths, which lose no pixel, keep holes, and are read by pycocotools' `annToMask`.
 */
import { area, type Size } from '../../core/geometry';
import { classRuns } from '../../core/pixels/labelMap';
import { cocoCounts } from '../../core/pixels/mask';
import type { DatasetClass, DatasetFormat, DatasetWriter, LabelledPicture, OutputFolder } from './datasetFormat';

const FILE = 'annotations.json';

export const coco: DatasetFormat = {
  summary: `one ${FILE} with an annotation per object, masks as run lengths`,

  async open(classes: readonly DatasetClass[], folder: OutputFolder): Promise<DatasetWriter> {
    const categories = classes.map(({ id, name }) => ({ id, name, supercategory: '' }));
    await folder.append(FILE, `{"categories":${JSON.stringify(categories)},\n"annotations":[`);
    // Annotations go out as they come; the line of an image waits, since one file holds one list at a time.
    const images: string[] = [];
    let annotations = 0;
    return {
      async add({ name, labels, classes: drawn }: LabelledPicture) {
        const { width, height } = labels.size;
        const image = images.length + 1;
        images.push(JSON.stringify({ id: image, width, height, file_name: name }));
        for (const { id, state, trust, objects } of drawn) {
          const all = objects.length > 0 ? objects : [cocoCounts(classRuns(labels, id))];
          for (const counts of all) {
            const row = {
              id: ++annotations,
              image_id: image,
              category_id: id,
              segmentation: { size: [height, width], counts },
              ...extentOf(counts, labels.size),
              iscrowd: 0,
              attributes: { state, ...(trust !== undefined && { trust }) },
            };
            await folder.append(FILE, `${annotations === 1 ? '' : ','}\n${JSON.stringify(row)}`);
          }
        }
      },
      async close() {
        await folder.append(FILE, `\n],\n"images":[${images.map((image) => `\n${image}`).join(',')}\n]}\n`);
      },
    };
  },
};

/** Area in pixels and bounding box [left, top, width, height] of column-major run lengths. */
function extentOf(counts: readonly number[], size: Size): { area: number; bbox: readonly number[] } {
  const { height } = size;
  let start = 0;
  let pixels = 0;
  const box = { left: size.width, top: height, right: 0, bottom: 0 };
  for (const [run, length] of counts.entries()) {
    const end = start + length;
    if (run % 2 === 1 && length > 0) {
      pixels += length;
      const [first, last] = [Math.floor(start / height), Math.floor((end - 1) / height)];
      box.left = Math.min(box.left, first);
      box.right = Math.max(box.right, last + 1);
      // A run that goes on in the next column touches the bottom of one and the top of the other.
      box.top = Math.min(box.top, first < last ? 0 : start % height);
      box.bottom = Math.max(box.bottom, first < last ? height : ((end - 1) % height) + 1);
    }
    start = end;
  }
  if (start !== area(size)) throw new RangeError(`run lengths sum to ${start}, expected ${area(size)}`);
  const bbox = pixels === 0 ? [0, 0, 0, 0] : [box.left, box.top, box.right - box.left, box.bottom - box.top];
  return { area: pixels, bbox };
}
