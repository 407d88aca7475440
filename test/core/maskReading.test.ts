import { describe, expect, it, test } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { type MaskQuestion, readLabelMap, readObject } from '../../src/core/maskFiles/maskReading';
import type { MaskSamples, SampleArray } from '../../src/core/maskFiles/maskSamples';
import type { Mask } from '../../src/core/pixels/mask';
import { UserError } from '../../src/core/userError';
import { discs } from '../fakes';
import { seededRandom } from '../seeded';

const SIZE: Size = { width: 96, height: 64 };

/** The object of every mask here: two discs, one of them at the border. */
const OBJECT = discs(SIZE, { x: 40, y: 30, radius: 18 }, { x: 90, y: 55, radius: 12 });
const PIXELS = OBJECT.data.reduce((sum, value) => sum + value, 0);
/** One disc in the middle. */
const INSIDE = discs(SIZE, { x: 40, y: 30, radius: 18 });

const samplesOf = (samples: SampleArray, changes: Partial<MaskSamples> = {}): MaskSamples => ({
  size: SIZE,
  channels: samples.length / area(SIZE),
  samples,
  white: 255,
  palette: [],
  ...changes,
});

const grey = (value: (i: number) => number, changes: Partial<MaskSamples> = {}) =>
  samplesOf(
    Uint8Array.from(OBJECT.data, (_, i) => value(i)),
    changes,
  );

const pixelsOf = (value: (i: number) => readonly number[]) =>
  samplesOf(Uint8Array.from([...OBJECT.data.keys()].flatMap((i) => [...value(i)])));

const inside = (i: number) => OBJECT.data[i] === 1;

/** How much of each pixel lies in a disc of the object, 0 to 255, by 8 x 8 points: an antialiased drawing. */
function coverage(i: number): number {
  const [x, y] = [i % SIZE.width, Math.floor(i / SIZE.width)];
  let sum = 0;
  for (let k = 0; k < 64; k++) {
    const [u, v] = [x + ((k % 8) + 0.5) / 8, y + (Math.floor(k / 8) + 0.5) / 8];
    const isIn = Math.hypot(u - 40, v - 30) <= 18 || Math.hypot(u - 90, v - 55) <= 12;
    if (isIn) sum++;
  }
  return Math.round((255 * sum) / 64);
}

const read = (samples: MaskSamples, question: Partial<MaskQuestion> = {}) =>
  readObject(samples, { classId: 1, classIds: [1], ...question }, 'm.png');

function refusalOf(samples: MaskSamples, question: Partial<MaskQuestion> = {}): string {
  try {
    read(samples, question);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  throw new Error('expected a refusal');
}

/** Pixels that differ from the object. */
const differing = (mask: Mask, from = OBJECT) =>
  mask.data.reduce((sum, value, i) => sum + Number(value !== from.data[i]), 0);

/** Compares as fast as bytes are compared. */
const isEqual = (a: Uint8Array, b: ArrayLike<number>) => Buffer.compare(a, Uint8Array.from(b)) === 0;

const VOC = Array.from({ length: 256 }, (_, i) => [(i * 71) % 256, (i * 37) % 256, i === 0 ? 0 : 50]);

describe('the object, exactly', () => {
  const random = seededRandom(7);
  const noise = Array.from(OBJECT.data, () => Math.floor(random() * 200));
  test.each<[string, MaskSamples, string]>([
    ['0 and 1', grey((i) => (inside(i) ? 1 : 0)), ''],
    ['0 and 255', grey((i) => (inside(i) ? 255 : 0)), ''],
    ['0 and 128', grey((i) => (inside(i) ? 128 : 0)), ''],
    ['one bit', samplesOf(OBJECT.data, { white: 1 }), ''],
    [
      '16 bits, 0 and 65535',
      samplesOf(
        Uint16Array.from(OBJECT.data, (one) => one * 65535),
        { white: 65535 },
      ),
      '',
    ],
    ['floats of 0 and 1', samplesOf(Float32Array.from(OBJECT.data), { white: 1 }), ''],
    [
      'probabilities',
      samplesOf(
        Float32Array.from(OBJECT.data, (_, i) => coverage(i) / 255),
        { white: 1 },
      ),
      'soft',
    ],
    ['signed whole numbers', samplesOf(Int32Array.from(OBJECT.data, (one) => one * 7)), ''],
    ['red on black', pixelsOf((i) => (inside(i) ? [255, 0, 0] : [0, 0, 0])), ''],
    ['another colour on black', pixelsOf((i) => (inside(i) ? [200, 80, 70] : [0, 0, 0])), ''],
    ['red on white', pixelsOf((i) => (inside(i) ? [255, 0, 0] : [255, 255, 255])), '#ff0000 on white'],
    ['soft edges of a colour', pixelsOf((i) => [coverage(i), Math.round(coverage(i) / 3), 0]), 'soft edges'],
    ['soft edges of grey in RGB', pixelsOf((i) => [coverage(i), coverage(i), coverage(i)]), 'soft edges'],
    ['soft edges', grey(coverage), 'soft edges (values'],
    ['soft edges with a 1', grey((i) => coverage(i) || (i % 97 === 0 && isRim(i) ? 1 : 0)), 'soft edges'],
    [
      'a piece of a picture',
      pixelsOf((i) => [noise[i], noise[(i * 7) % noise.length], 9, inside(i) ? 255 : 0]),
      'cut-out',
    ],
    ['white with opacity', pixelsOf((i) => [255, 255, 255, inside(i) ? 255 : 0]), 'cut-out'],
    ['black with opacity', pixelsOf((i) => [0, 0, 0, inside(i) ? 255 : 0]), 'cut-out'],
    ['black and white, all opaque', pixelsOf((i) => [...(inside(i) ? [255, 255, 255] : [0, 0, 0]), 255]), ''],
    ['a palette', grey((i) => (inside(i) ? 1 : 0), { palette: VOC }), ''],
    ['another class of a palette', grey((i) => (inside(i) ? 15 : 0), { palette: VOC }), ''],
    ['a stray 1 beside 254', grey((i) => (i === 5 ? 1 : inside(i) ? 254 : 0)), 'a stray value (1)'],
    [
      'classes and "ignore"',
      grey((i) => (i < 9 ? 255 : inside(i) ? 1 : i < 200 ? 2 : 0)),
      '255 means "ignore" (9 pixels)',
    ],
  ])('%s', (_, samples, note) => {
    const { mask, notes } = read(samples);
    expect(differing(mask)).toBe(0);
    if (note === '') expect(notes).toEqual([]);
    else expect(notes.join('; ')).toContain(note);
  });

  /** Whether a pixel lies beside the object. */
  function isRim(i: number): boolean {
    return [1, -1, SIZE.width, -SIZE.width].some((step) => coverage(i + step) > 0);
  }

  test.each<[string, MaskSamples]>([
    ['grey', samplesOf(Uint8Array.from(INSIDE.data, (one) => (one ? 0 : 255)))],
    [
      'one bit',
      samplesOf(
        Uint8Array.from(INSIDE.data, (one) => 1 - one),
        { white: 1 },
      ),
    ],
    [
      '16 bits',
      samplesOf(
        Uint16Array.from(INSIDE.data, (one) => (one ? 0 : 65535)),
        { white: 65535 },
      ),
    ],
    [
      'a palette',
      samplesOf(INSIDE.data, {
        palette: [
          [255, 255, 255],
          [0, 0, 0],
        ],
      }),
    ],
  ])('black on white, %s', (_, samples) => {
    const { mask, manner, notes } = read(samples);
    expect(differing(mask, INSIDE)).toBe(0);
    expect(manner).toBe('dark');
    expect(notes).toEqual([expect.stringMatching(/^black on white: the dark part is taken as the object/)]);
  });

  it('is not turned round where the dark part reaches the border, is most of it, or the values are ids', () => {
    const white = (mask: Mask, value: number) => samplesOf(Uint8Array.from(mask.data, (one) => (one ? 0 : value)));
    expect(read(white(OBJECT, 255)).manner).toBe('one value');
    expect(read(white(discs(SIZE, { x: 48, y: 32, radius: 30 }), 255)).manner).toBe('dark');
    const most = discs({ width: 64, height: 64 }, { x: 32, y: 32, radius: 31 });
    expect(read({ ...white(most, 255), size: most.size }).manner).toBe('one value');
    expect(read(white(INSIDE, 1)).manner).toBe('one value');
    expect(read(white(INSIDE, 255), { onWhite: false }).manner).toBe('one value');
  });
});

describe('several values', () => {
  /** Squares of 4 px with gaps of 2, numbered from 1 in a mask of 16 columns. */
  const squares = (number: (index: number) => number) => (i: number) => {
    const [x, y] = [i % SIZE.width, Math.floor(i / SIZE.width)];
    return x % 6 < 4 && y % 6 < 4 ? number(Math.floor(y / 6) * 16 + Math.floor(x / 6)) : 0;
  };
  const allSquares = Uint8Array.from(OBJECT.data, (_, i) => Math.min(1, squares(() => 1)(i)));
  const blocks =
    (...values: number[]) =>
    (i: number) =>
      values[Math.floor(((i % SIZE.width) * values.length) / SIZE.width)];

  it('that number the pieces are instances of one class', () => {
    const wide = samplesOf(
      Uint16Array.from(OBJECT.data, (_, i) => squares((index) => index + 1)(i)),
      { white: 65535 },
    );
    expect(read(wide)).toMatchObject({ manner: 'instances', notes: ['176 instances are taken as one class'] });
    expect(isEqual(read(wide).mask.data, allSquares)).toBe(true);
    const few = grey(squares((index) => (index < 12 ? index + 1 : 0)));
    expect(read(few).notes).toEqual(['12 instances are taken as one class']);
    const scattered = samplesOf(Uint32Array.from(wide.samples, (value) => value * 70_001));
    expect(isEqual(read(scattered).mask.data, allSquares)).toBe(true);
  });

  it('that are used again, since 8 bits are too few, are instances too', () => {
    const again = grey(squares((index) => (index % 60) + 1));
    expect(read(again).manner).toBe('instances');
    expect(isEqual(read(again).mask.data, allSquares)).toBe(true);
  });

  it('are not decided where two or three may be classes or objects, unless the project or a person says', () => {
    const two = grey(blocks(0, 1, 0, 2, 0));
    expect(refusalOf(two)).toBe(
      'm.png holds the values 1, 2, which may be classes or objects of one class: say which value is the object, or that all are (--mask-value 1, --mask-value all).',
    );
    const ofBlock = (k: number) => Uint8Array.from(OBJECT.data, (_, i) => Number(blocks(0, 1, 0, 2, 0)(i) === k));
    expect(read(two, { classIds: [1, 2] })).toMatchObject({ manner: 'classes', notes: [] });
    expect(isEqual(read(two, { classIds: [1, 2] }).mask.data, ofBlock(1))).toBe(true);
    expect(isEqual(read(two, { manner: 'value 2' }).mask.data, ofBlock(2))).toBe(true);
    expect(
      isEqual(
        read(two, { manner: 'instances' }).mask.data,
        ofBlock(1).map((one, i) => one | ofBlock(2)[i]),
      ),
    ).toBe(true);
  });

  it('of classes in several pieces are ids, which is said', () => {
    const classes = grey(blocks(1, 2, 1, 2, 3, 0));
    expect(read(classes)).toMatchObject({
      manner: 'classes',
      notes: ['the values 1, 2, 3 are taken as class ids: 1 is the object'],
    });
    expect(refusalOf(classes, { classId: 9, classIds: [9] })).toContain('holds the values 1, 2, 3, which may be');
  });

  it('of a palette are ids whatever they look like', () => {
    const numbered = grey(
      squares((index) => index + 1),
      { palette: VOC },
    );
    const { mask, manner } = read(numbered, { classId: 5 });
    expect(manner).toBe('classes');
    expect(
      isEqual(
        mask.data,
        Uint8Array.from(OBJECT.data, (_, i) => Number(squares((index) => index + 1)(i) === 5)),
      ),
    ).toBe(true);
    expect(refusalOf(numbered, { classId: 200 })).toMatch(
      /^m\.png has no pixels of class 200: it holds the values 1, 2, 3/,
    );
  });

  it.each<[string, MaskSamples, RegExp]>([
    [
      'two colours on black',
      pixelsOf((i) => (inside(i) ? [255, 0, 0] : i < 200 ? [0, 255, 0] : [0, 0, 0])),
      /several colours, black \(7\d %\), #ff0000 \(\d+ %\), #00ff00 \(\d %\)/,
    ],
    [
      'two colours of which none is background',
      pixelsOf((i) => (inside(i) ? [253, 231, 37] : [68, 1, 84])),
      /several colours, #440154/,
    ],
    ['a photo', grey((i) => 20 + ((i * i * 31 + i) % 211)), /hardly two neighbours alike, as a picture does/],
    [
      'negative numbers',
      samplesOf(Int16Array.from(OBJECT.data, (one) => one - 1)),
      /holds the value -1: expected whole numbers/,
    ],
    ['not a number', samplesOf(Float32Array.from(OBJECT.data, (one) => one || Number.NaN)), /holds the value NaN/],
    ['fractions above 1', samplesOf(Float32Array.from(OBJECT.data, (one) => one * 2.5)), /holds fractions up to 2.5/],
  ])('are refused in %s', (_, samples, sentence) => {
    expect(refusalOf(samples)).toMatch(sentence);
  });

  it('say nothing in an empty mask, and all in a full one', () => {
    expect(isEqual(read(grey(() => 0)).mask.data, new Uint8Array(area(SIZE)))).toBe(true);
    expect(isEqual(read(grey(() => 255)).mask.data, new Uint8Array(area(SIZE)).fill(1))).toBe(true);
    expect(read(pixelsOf(() => [9, 9, 9, 0])).mask.data.includes(1)).toBe(false);
    const one = read(
      grey((i) => (i === 700 ? 1 : 0)),
      {},
    );
    expect(one.mask.data[700]).toBe(1);
  });
});

describe('the manner that was found', () => {
  it('reads the same file alike, whatever else is known', () => {
    const files = [
      grey(coverage),
      grey((i) => (inside(i) ? 1 : 0)),
      samplesOf(Uint8Array.from(INSIDE.data, (one) => (one ? 0 : 255))),
    ];
    for (const file of files) {
      const { mask, manner } = read(file);
      expect(differing(read(file, { manner, classIds: [1, 2, 3, 4] }).mask, mask)).toBe(0);
    }
  });

  it('reads other masks of a set: plain ones stay what they are', () => {
    for (const manner of ['soft', 'instances'] as const) {
      for (const value of [1, 128, 255]) {
        expect(
          differing(
            read(
              grey((i) => (inside(i) ? value : 0)),
              { manner },
            ).mask,
          ),
        ).toBe(0);
      }
    }
  });
});

describe('labels', () => {
  const labelsOf = (samples: MaskSamples, options: { classIds?: number[]; isForeign?: boolean } = {}) =>
    readLabelMap(samples, options, 'm.png');

  it('of classes that are known come back exactly, whatever they look like', () => {
    const random = seededRandom(3);
    for (let k = 0; k < 200; k++) {
      const ids = Array.from({ length: 1 + Math.floor(random() * 5) }, () => 1 + Math.floor(random() * 254));
      const values = [0, 255, ...ids];
      const block = 1 + Math.floor(random() * 9);
      const chosen = Array.from({ length: 400 }, () => values[Math.floor(random() * values.length)]);
      const data = Uint8Array.from(OBJECT.data, (_, i) => chosen[(Math.floor(i / block) * 7) % chosen.length]);
      for (const isForeign of ids.length > 1 && new Set(data).size > 3 ? [false, true] : [false]) {
        expect(isEqual(labelsOf(samplesOf(data), { classIds: ids, isForeign }).labels.data, data)).toBe(true);
      }
      expect(isEqual(labelsOf(samplesOf(data, { palette: VOC })).labels.data, data)).toBe(true);
    }
  });

  it('of a few ids come back exactly where no class is known', () => {
    const random = seededRandom(4);
    for (let k = 0; k < 100; k++) {
      const chosen = Array.from({ length: 60 }, () => Math.floor(random() * 4));
      const data = Uint8Array.from(
        OBJECT.data,
        (_, i) => chosen[Math.floor((i % SIZE.width) / 8) + 12 * Math.floor(i / SIZE.width / 16)],
      );
      expect(labelsOf(samplesOf(data)).manner).toBeNull();
      expect(isEqual(labelsOf(samplesOf(data)).labels.data, data)).toBe(true);
    }
  });

  it('of soft edges and of many numbered objects become one value, which is told', () => {
    const soft = labelsOf(grey(coverage));
    expect(soft).toMatchObject({ manner: 'soft', notes: [expect.stringContaining('soft edges')] });
    expect(
      isEqual(
        soft.labels.data,
        OBJECT.data.map((one) => one * 255),
      ),
    ).toBe(true);
    const instances = labelsOf(
      samplesOf(
        Uint16Array.from(OBJECT.data, (_, i) => (i % 6 < 4 && (i / SIZE.width) % 6 < 4 ? 1 + Math.floor(i / 6) : 0)),
        { white: 65535 },
      ),
    );
    expect(instances.manner).toBe('instances');
    expect(new Set(instances.labels.data)).toEqual(new Set([0, 255]));
  });

  it('are turned round only where a person brings the file from elsewhere', () => {
    const paper = samplesOf(Uint8Array.from(INSIDE.data, (one) => (one ? 0 : 255)));
    expect(labelsOf(paper).manner).toBeNull();
    expect(isEqual(labelsOf(paper).labels.data, paper.samples)).toBe(true);
    expect(
      isEqual(
        labelsOf(paper, { isForeign: true }).labels.data,
        INSIDE.data.map((one) => one * 255),
      ),
    ).toBe(true);
  });
});

test('the object of these tests is what they say', () => {
  expect(PIXELS).toBeGreaterThan(1000);
});
