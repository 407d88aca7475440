/** A changed picture and its mask still show the same object. */
import { describe, expect, it } from 'vitest';
import type { Size } from '../../src/core/geometry';
import { foregroundArea, type Mask } from '../../src/core/pixels/mask';
import { drawMask, randomMask, seededRandom } from '../seeded';
import { type LabelledPicture, shifted, shifts } from './shiftKinds';

const find = (name: string) => shifts.find((shift) => shift.name === name)!;

/** A picture that is bright where the mask is. */
function pictureOf(mask: Mask, bright = 200, dark = 40): LabelledPicture {
  const rgb = Uint8Array.from({ length: 3 * mask.data.length }, (_, at) =>
    mask.data[Math.floor(at / 3)] === 1 ? bright : dark,
  );
  return { rgb, mask };
}

const brightPixels = ({ rgb, mask: { size } }: LabelledPicture): Mask => ({
  size,
  data: Uint8Array.from({ length: size.width * size.height }, (_, pixel) => (rgb[3 * pixel] > 120 ? 1 : 0)),
});

const size: Size = { width: 14, height: 9 };

describe('a change of place', () => {
  const exact = shifts.filter(({ name, place }) => place && name !== 'half resolution');
  it.each(exact)('$name moves the mask with the picture', async (shift) => {
    const changed = await shifted(pictureOf(randomMask(size, 0.3, seededRandom(3))), shift);
    expect(changed.mask).toEqual(brightPixels(changed));
  });

  it('has the size that it says', async () => {
    const picture = pictureOf(randomMask(size, 0.3, seededRandom(3)));
    const sizeOf = async (name: string) => (await shifted(picture, find(name))).mask.size;
    expect(await sizeOf('half resolution')).toEqual({ width: 7, height: 5 });
    expect(await sizeOf('turned 90')).toEqual({ width: 9, height: 14 });
    expect(await sizeOf('closer')).toEqual({ width: 8, height: 5 });
    expect(await sizeOf('farther, on black')).toEqual({ width: 28, height: 18 });
  });

  it('turns clockwise', async () => {
    const changed = await shifted(pictureOf(drawMask(['#..', '...'])), find('turned 90'));
    expect(changed.mask).toEqual(drawMask(['.#', '..', '..']));
  });

  it('shows the object once on a canvas, and more than once among mirrors', async () => {
    const picture = pictureOf(randomMask(size, 0.3, seededRandom(3)));
    const areaOf = async (name: string) => foregroundArea((await shifted(picture, find(name))).mask);
    const own = foregroundArea(picture.mask);
    expect(await areaOf('farther, on black')).toBe(own);
    expect(await areaOf('farther, on its median')).toBe(own);
    expect(await areaOf('farther, among mirrors')).toBe(4 * own);
  });

  it('fills with what the picture has most of', async () => {
    const { rgb } = await shifted(pictureOf(drawMask(['#..', '...'])), find('farther, on its median'));
    expect([...rgb.slice(0, 3)]).toEqual([40, 40, 40]);
  });
});

describe('a change of light', () => {
  const picture = pictureOf(randomMask(size, 0.5, seededRandom(5)), 210, 60);
  it.each(shifts.filter(({ light }) => light))('$name leaves the mask alone and every run the same', async (shift) => {
    const changed = await shifted(picture, shift);
    expect(changed.mask).toBe(picture.mask);
    expect(changed.rgb.length).toBe(picture.rgb.length);
    expect(await shifted(picture, shift)).toEqual(changed);
  });

  it('is what its name says', async () => {
    const one: LabelledPicture = { rgb: Uint8Array.of(100, 150, 240), mask: drawMask(['#']) };
    const of = async (name: string) => [...(await shifted(one, find(name))).rgb];
    expect(await of('darker')).toEqual([65, 98, 156]);
    expect(await of('brighter')).toEqual([135, 203, 255]);
    expect(await of('warm')).toEqual([115, 150, 192]);
    expect(await of('grey')).toEqual([145, 145, 145]);
    expect(await of('low contrast')).toEqual([117, 137, 173]);
    expect(await of('gamma 1.6')).toEqual([57, 109, 231]);
  });
});
