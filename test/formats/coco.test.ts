/** COCO annotations against the mask they were made from, pixel by pixel. */
import { describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { coco } from '../../src/formats/datasets/coco';
import type { LabelledPicture } from '../../src/formats/datasets/datasetFormat';
import { fromCocoCounts } from '../masks';
import { seededRandom } from '../seeded';

const CLASSES = [
  { id: 1, name: 'cell', colour: '#ff0000' },
  { id: 7, name: 'a "vessel"', colour: '#00ff00' },
];

interface Annotation {
  readonly id: number;
  readonly image_id: number;
  readonly category_id: number;
  readonly segmentation: { readonly size: readonly [number, number]; readonly counts: readonly number[] };
  readonly area: number;
  readonly bbox: readonly number[];
}

async function written(pictures: readonly LabelledPicture[]) {
  const files = new Map<string, string>();
  const folder = {
    append: async (file: string, text: string) => void files.set(file, (files.get(file) ?? '') + text),
  };
  const writer = await coco.open(CLASSES, folder);
  for (const picture of pictures) await writer.add(picture);
  await writer.close();
  expect([...files.keys()]).toEqual(['annotations.json']);
  return JSON.parse(files.get('annotations.json')!) as {
    categories: readonly object[];
    images: readonly { id: number; width: number; height: number; file_name: string }[];
    annotations: readonly Annotation[];
  };
}

const drawn = (id: number) => ({ id, state: 'auto' as const, trust: 0.5, objects: [] });

function picture(name: string, size: Size, data: readonly number[], ids: readonly number[]): LabelledPicture {
  return { name, labels: { size, data: Uint8Array.from(data) }, classes: ids.map(drawn) };
}

/** Area and bounding box by looking at every pixel. */
function lookedAt({ labels: { size, data } }: LabelledPicture, id: number) {
  const at = [...data.keys()].filter((i) => data[i] === id);
  const [xs, ys] = [at.map((i) => i % size.width), at.map((i) => Math.floor(i / size.width))];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return { area: at.length, bbox: [left, top, Math.max(...xs) - left + 1, Math.max(...ys) - top + 1] };
}

describe('the COCO format', () => {
  it('gives back every pixel of every class, with its area and its box', async () => {
    const random = seededRandom(3);
    const pictures = Array.from({ length: 60 }, (_, k) => {
      const size = { width: 1 + Math.floor(random() * 12), height: 1 + Math.floor(random() * 9) };
      const share = random();
      const data: number[] = Array.from({ length: area(size) }, () =>
        random() < share ? (random() < 0.5 ? 1 : 7) : 0,
      );
      const ids = [1, 7].filter((id) => data.includes(id));
      return picture(`sub/${k}.png`, size, data, ids);
    });
    const { images, annotations, categories } = await written(pictures);
    expect(categories).toEqual([
      { id: 1, name: 'cell', supercategory: '' },
      { id: 7, name: 'a "vessel"', supercategory: '' },
    ]);
    expect(images.map((image) => image.file_name)).toEqual(pictures.map(({ name }) => name));
    expect(annotations.map(({ id }) => id)).toEqual(annotations.map((_, k) => k + 1));
    expect(annotations).toHaveLength(pictures.flatMap(({ classes }) => classes).length);
    for (const { image_id, category_id, segmentation, ...about } of annotations) {
      const of = pictures[image_id - 1];
      const { width, height } = of.labels.size;
      expect(segmentation.size).toEqual([height, width]);
      const mask = fromCocoCounts(segmentation.counts, of.labels.size);
      expect([...mask.data]).toEqual([...of.labels.data].map((value) => Number(value === category_id)));
      expect(about).toMatchObject(lookedAt(of, category_id));
    }
  });

  it('writes an annotation for each object of a class that has some', async () => {
    const size = { width: 4, height: 2 };
    const objects = [
      [0, 2, 6],
      [6, 2],
    ];
    const data = [1, 0, 0, 1, 1, 0, 0, 1];
    const classes = [{ ...drawn(1), objects }];
    const { annotations } = await written([{ ...picture('a.png', size, data, []), classes }]);
    expect(annotations.map(({ bbox }) => bbox)).toEqual([
      [0, 0, 1, 2],
      [3, 0, 1, 2],
    ]);
  });

  it('names images without any object, and is whole without any image', async () => {
    const empty = picture('a.png', { width: 3, height: 1 }, [0, 0, 0], []);
    expect(await written([empty])).toMatchObject({ images: [{ id: 1, width: 3, height: 1 }], annotations: [] });
    expect(await written([])).toMatchObject({ images: [], annotations: [] });
  });
});
