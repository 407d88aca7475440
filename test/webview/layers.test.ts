import { describe, expect, it } from 'vitest';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import { heatPicture } from '../../webview/canvas/heatColours';
import { brightnessTable } from '../../webview/canvas/layerStyle';
import { type Side, visitBorders } from '../../webview/canvas/outline';
import { paintLabels, paletteOf, parseColour } from '../../webview/canvas/palette';
import { seededRandom } from '../seeded';

const CLASSES = [
  { id: 1, colour: '#ff8000' },
  { id: 2, colour: '#0080FF' },
];

/** Red, green, blue, opacity of a pixel of a palette or tile. */
const bytes = (pixel: number): number[] => [...new Uint8Array(Uint32Array.of(pixel).buffer)];

describe('paletteOf', () => {
  it('has the classes opaque, background transparent, and others visible', () => {
    const palette = paletteOf(CLASSES);
    expect(bytes(palette[0])).toEqual([0, 0, 0, 0]);
    expect(bytes(palette[1])).toEqual([255, 128, 0, 255]);
    expect(bytes(palette[2])).toEqual([0, 128, 255, 255]);
    expect(bytes(palette[77])).toEqual([255, 0, 255, 255]);
    expect(bytes(palette[255])[3]).toBe(255);
  });

  it('leaves out what is no colour', () => {
    expect(parseColour('#12aBcd')).toEqual([0x12, 0xab, 0xcd]);
    for (const text of ['red', '#123', '#1234567', '']) expect(parseColour(text)).toBeNull();
    expect(bytes(paletteOf([{ id: 3, colour: 'red' }])[3])).toEqual([255, 0, 255, 255]);
  });
});

describe('paintLabels', () => {
  const palette = paletteOf(CLASSES);
  const rect = { x: 1, y: 2, width: 5, height: 3 };

  it('paints the labels of a rectangle and nothing else', () => {
    const random = seededRandom(1);
    const classes = Uint8Array.from({ length: 20 * 10 }, () => Math.floor(random() * 3));
    const pixels = new Uint32Array(8 * 6).fill(9);
    expect(paintLabels(pixels, 8, rect, { classes, coverage: null, offset: 43, stride: 20 }, palette)).toBe(true);
    pixels.forEach((pixel, at) => {
      const x = at % 8;
      const y = Math.floor(at / 8);
      const inside = x >= 1 && x < 6 && y >= 2 && y < 5;
      expect(pixel).toBe(inside ? palette[classes[43 + 20 * y + x]] : 9);
    });
  });

  it('says whether anything shows', () => {
    const pixels = new Uint32Array(8 * 6).fill(9);
    const classes = new Uint8Array(200);
    const rows = { classes, coverage: null, offset: 43, stride: 20 };
    expect(paintLabels(pixels, 8, rect, rows, palette)).toBe(false);
    expect(pixels.filter((pixel) => pixel === 0)).toHaveLength(15);
    classes[43 + 20 * 4 + 5] = 1;
    expect(paintLabels(pixels, 8, rect, rows, palette)).toBe(true);
  });

  it('makes covered pixels as opaque as they are covered, and the least still visible', () => {
    const coverage = Uint8Array.from({ length: 256 }, (_, share) => share);
    const classes = coverage.map((share) => (share === 0 ? 0 : 2));
    const pixels = new Uint32Array(256);
    paintLabels(
      pixels,
      256,
      { x: 0, y: 0, width: 256, height: 1 },
      { classes, coverage, offset: 0, stride: 256 },
      palette,
    );
    const opacities = [...pixels].map((pixel) => bytes(pixel)[3]);
    expect(opacities[0]).toBe(0);
    expect(opacities[1]).toBeGreaterThan(64);
    expect(opacities[255]).toBe(255);
    expect(opacities.every((opacity, i) => i === 0 || opacity >= opacities[i - 1])).toBe(true);
    expect(bytes(pixels[100]).slice(0, 3)).toEqual([0, 128, 255]);
  });

  it('hatches ignored pixels in two greys, alike in whatever pieces they are painted', () => {
    const classes = new Uint8Array(32 * 32).fill(255);
    const rows = { classes, coverage: null, offset: 0, stride: 32 };
    const once = new Uint32Array(32 * 32);
    paintLabels(once, 32, { x: 0, y: 0, width: 32, height: 32 }, rows, palette);
    const greys = new Set(once);
    expect(greys.size).toBe(2);
    for (const grey of greys) {
      const [red, green, blue, opacity] = bytes(grey);
      expect([green, blue, opacity]).toEqual([red, red, 255]);
    }
    const pieces = new Uint32Array(32 * 32);
    for (let y = 0; y < 32; y += 7) {
      paintLabels(pieces, 32, { x: 0, y, width: 32, height: Math.min(7, 32 - y) }, rows, palette);
    }
    expect(pieces).toEqual(once);
    const faint = new Uint32Array(32 * 32);
    paintLabels(
      faint,
      32,
      { x: 0, y: 0, width: 32, height: 32 },
      { ...rows, coverage: new Uint8Array(32 * 32).fill(10) },
      palette,
    );
    expect(new Set([...faint].map((pixel) => pixel >>> 24)).size).toBe(1);
    expect(new Set([...faint].map((pixel) => pixel & 0xffffff)).size).toBe(2);
  });
});

describe('visitBorders', () => {
  it('finds every side of a pixel that borders on another label, once, in long pieces', () => {
    const random = seededRandom(8);
    for (let round = 0; round < 20; round++) {
      const size = { width: 3 + Math.floor(random() * 12), height: 3 + Math.floor(random() * 12) };
      const data = Uint8Array.from({ length: size.width * size.height }, () => Math.floor(random() * 2.6));
      const labels: LabelMap = { size, data };
      const box = { left: 1, top: 0, right: size.width, bottom: size.height - 1 };
      const expected = new Set<string>();
      const at = (x: number, y: number): number | undefined =>
        x < 0 || y < 0 || x >= size.width || y >= size.height ? undefined : data[y * size.width + x];
      for (let y = box.top; y < box.bottom; y++) {
        for (let x = box.left; x < box.right; x++) {
          const label = at(x, y)!;
          const neighbours: [Side, number | undefined][] = [
            ['top', at(x, y - 1)],
            ['bottom', at(x, y + 1)],
            ['left', at(x - 1, y)],
            ['right', at(x + 1, y)],
          ];
          for (const [side, other] of neighbours) {
            if (label !== 0 && other !== undefined && other !== label) expected.add(`${label} ${side} ${x} ${y}`);
          }
        }
      }
      const found: string[] = [];
      const ends = new Set<string>();
      visitBorders(labels, box, (label, side, line, start, end) => {
        const isRow = side === 'top' || side === 'bottom';
        for (let k = start; k < end; k++) found.push(`${label} ${side} ${isRow ? `${k} ${line}` : `${line} ${k}`}`);
        // No piece begins where another of its kind ends.
        expect(ends.has(`${label} ${side} ${line} ${start}`)).toBe(false);
        ends.add(`${label} ${side} ${line} ${end}`);
      });
      expect(found).toHaveLength(expected.size);
      expect(new Set(found)).toEqual(expected);
    }
  });
});

/** The colour of a value, in a map most of whose values are 1: no pixels lie between its cells. */
function heatColour(value: number): number[] {
  const data = new Float32Array(512).fill(1);
  data[0] = value;
  return [...heatPicture({ size: { width: 512, height: 1 }, data }).pixels.slice(0, 4)];
}

describe('a colour of the heat map', () => {
  it('is transparent at 0, warm above, cool below, strongest at the ends', () => {
    expect(heatColour(0)[3]).toBe(0);
    const [red, , blue, opacity] = heatColour(1);
    expect(red).toBeGreaterThan(blue);
    expect(opacity).toBe(255);
    const cool = heatColour(-1);
    expect(cool[2]).toBeGreaterThan(cool[0]);
    expect(heatColour(-7)).toEqual(cool);
    for (const sign of [1, -1]) {
      const opacities = [0, 0.1, 0.3, 0.5, 0.8, 1].map((value) => heatColour(sign * value)[3]);
      expect(opacities).toEqual([...opacities].sort((a, b) => a - b));
    }
  });
});

describe('heatPicture', () => {
  it('keeps shape and sign, and spends its colours on what most values are', () => {
    const size = { width: 8, height: 4 };
    const data = Float32Array.from({ length: 32 }, (_, i) => (i % 8 < 4 ? 2 : -2));
    const { size: coloured, pixels } = heatPicture({ size, data });
    expect(coloured).toEqual({ width: 512, height: 256 });
    const pixel = (x: number, y: number) => [...pixels.slice(4 * (y * 512 + x), 4 * (y * 512 + x) + 4)];
    expect(pixel(10, 100)).toEqual(heatColour(1));
    expect(pixel(500, 100)).toEqual(heatColour(-1));
    // Halfway between the two it is 0.
    expect(pixel(255, 100)[3]).toBeLessThan(10);
  });

  it('shows nothing of a map of zeros', () => {
    const { pixels } = heatPicture({ size: { width: 3, height: 3 }, data: new Float32Array(9) });
    expect(pixels.every((value, i) => i % 4 !== 3 || value === 0)).toBe(true);
  });

  it('is not washed out by one extreme value', () => {
    const data = new Float32Array(1024).fill(1);
    data[5] = 1e6;
    const { pixels } = heatPicture({ size: { width: 32, height: 32 }, data });
    expect(pixels[4 * (400 * 512 + 400) + 3]).toBe(255);
  });
});

describe('brightnessTable', () => {
  it('is linear from low to high', () => {
    const table = brightnessTable({ low: 50, high: 150 });
    expect([0, 50, 75, 100, 150, 255].map((value) => table[value])).toEqual([0, 0, 64, 128, 255, 255]);
    expect(brightnessTable({ low: 0, high: 255 })).toEqual(Array.from({ length: 256 }, (_, value) => value));
  });

  it('is a threshold where the window has no width', () => {
    const table = brightnessTable({ low: 99, high: 99 });
    expect([98, 99, 100].map((value) => table[value])).toEqual([0, 0, 255]);
  });
});
