import { describe, expect, it } from 'vitest';
import { classInk, clearClass, eraserInk, type Ink, InkWriter, replacementInk } from '../../src/core/drawing/ink';
import { changeBetween } from '../../src/core/drawing/labelChange';
import { area } from '../../src/core/geometry';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import { drawLabels, randomLabels, rowsOf, seededRandom, smallSizes } from '../seeded';

const random = seededRandom(23);
const copyOf = ({ size, data }: LabelMap): LabelMap => ({ size, data: data.slice() });

const covered = ({ covers }: Ink) => [0, 1, 2, 255].filter((value) => covers[value] === 1);

describe('ink', () => {
  it('of a class spares what is not background, unless told otherwise', () => {
    expect(covered(classInk(1, false))).toEqual([0]);
    expect(covered(classInk(1, true))).toEqual([0, 2, 255]);
  });

  it('of the eraser takes one class, unless told otherwise', () => {
    expect(covered(eraserInk(1, false))).toEqual([1]);
    expect(covered(eraserInk(1, true))).toEqual([1, 2, 255]);
  });

  it('of a replacement takes one value', () => {
    expect(covered(replacementInk(2, 1))).toEqual([2]);
    expect(covered(replacementInk(1, 1))).toEqual([]);
  });
});

describe('InkWriter', () => {
  it('yields exactly what has changed, whatever was written how often and in which order', () => {
    for (const size of [...smallSizes, { width: 25, height: 14 }]) {
      for (const ink of [classInk(1, false), classInk(2, true), eraserInk(1, false), eraserInk(1, true)]) {
        const before = randomLabels(size, [0, 0, 1, 2, 255], random);
        const labels = copyOf(before);
        const expected = copyOf(before);
        const writer = new InkWriter(labels, ink);
        for (let k = 0; k < 12; k++) {
          const start = Math.floor(random() * area(size));
          const end = Math.min(area(size), start + Math.floor(random() * 9));
          let changes = false;
          for (let at = start; at < end; at++) {
            if (ink.covers[expected.data[at]] === 0) continue;
            expected.data[at] = ink.value;
            changes = true;
          }
          expect(writer.write(start, end)).toBe(changes);
        }
        expect(labels).toEqual(expected);
        expect(writer.change()).toEqual(changeBetween(before, expected));
      }
    }
  });

  it('sorts starts as numbers', () => {
    const labels: LabelMap = { size: { width: 1200, height: 1 }, data: new Uint8Array(1200) };
    const writer = new InkWriter(labels, classInk(3, false));
    writer.write(1000, 1001);
    writer.write(9, 11);
    writer.write(200, 300);
    const { starts, lengths } = writer.change();
    expect([...starts]).toEqual([9, 200, 1000]);
    expect([...lengths]).toEqual([2, 100, 1]);
  });
});

describe('clearClass', () => {
  it('makes background of the class alone', () => {
    const labels = drawLabels(['11.', '2?1', '111']);
    const before = copyOf(labels);
    const change = clearClass(labels, 1);
    expect(rowsOf(labels)).toEqual(['...', '2?.', '...']);
    expect(change).toEqual(changeBetween(before, labels));
    expect(clearClass(labels, 1).starts.length).toBe(0);
  });
});
