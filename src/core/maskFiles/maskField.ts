/**
 * Mask samples of any kind as one whole number per pixel: opacity and colours are taken for what they say of an object,
 * and what says nothing of one is refused with a sentence.
 */
import { area, type Size } from '../geometry';
import { UserError } from '../userError';
import type { MaskSamples, SampleArray } from './maskSamples';

export interface MaskField {
  readonly size: Size;
  /** [height, width], row-major. */
  readonly values: Uint8Array | Uint16Array | Uint32Array;
  /** How many pixels have each value, ascending by value. */
  readonly counts: ReadonlyMap<number, number>;
  /** The value that is shown white. */
  readonly white: number;
  /** Whether the values are indices into a palette of colours: ids, whatever they look like. */
  readonly isIndex: boolean;
  /** What was decided on the way, for a person. */
  readonly notes: readonly string[];
}

/** Colours that differ by less than this in every channel (of 255) look alike. */
const ALIKE = 96;

/** Grey from JPEG is not exactly grey. */
const GREY_TOLERANCE = 12;

/** A colour this far from the line between two others is none of their mixtures. */
const OFF_LINE = 64;

/** Share of an object's pixels that may have another colour than it: noise, not another object. */
const STRAY_COLOURS = 0.05;

/** More colours than this, hardly two neighbours alike: a picture. */
const PICTURE_COLOURS = 16;
const PICTURE_CONSTANCY = 0.5;

/** More than this is not worth listing in a message. */
const LISTED = 5;

/**
 * @param name the file's name for messages
 * @param keepIndices whether a palette's indices are ids even where its colours look like a grey picture
 * @throws UserError where it cannot be told what is meant
 */
export function fieldOf(mask: MaskSamples, name: string, keepIndices: boolean): MaskField {
  const { size, channels, palette } = mask;
  if (palette.length > 0) return paletteField(mask, keepIndices);
  const visible = visibleOf(mask);
  if (channels <= 2) {
    const samples = wholeNumbers(mask, name);
    if (visible === null)
      return fieldFrom(size, channels === 1 ? samples.values : everyOf(samples.values, channels), samples.white);
    const grey = everyOf(samples.values, channels);
    return cutOut(grey, visible, mask) ?? fieldFrom(size, where(grey, visible.any), samples.white);
  }
  const colours = coloursOf(mask, name);
  const shown = visible === null ? colours : where(colours, visible.any);
  return (
    (visible && cutOut(colours, visible, mask)) ?? greyField(mask, shown, visible) ?? colourField(size, shown, name)
  );
}

/** Values of single pixels, counted. */
function fieldFrom(
  size: Size,
  values: MaskField['values'],
  white: number,
  notes: readonly string[] = [],
  isIndex = false,
): MaskField {
  return { size, values, counts: countsOf(values), white, isIndex, notes };
}

// Palettes

function paletteField({ size, samples, palette }: MaskSamples, keepIndices: boolean): MaskField {
  const indices = samples as Uint8Array;
  const used = [...countsOf(indices).keys()];
  const colourOf = (index: number) => palette[index] ?? [0, 0, 0];
  const greys = used.flatMap((index) => (new Set(colourOf(index)).size === 1 ? [colourOf(index)[0]] : []));
  const isPicture = used.length === 2 || used.length > PICTURE_COLOURS;
  if (!keepIndices && isPicture && new Set(greys).size === used.length) {
    const values = Uint8Array.from(indices, (index) => colourOf(index)[0]);
    return fieldFrom(size, values, 255);
  }
  const black = used.filter((index) => colourOf(index).every((value) => value === 0));
  // Some tools write a two-colour mask whose black is not entry 0.
  if (used.length === 2 && black.length === 1 && black[0] !== 0) {
    const other = used.find((index) => index !== black[0]) || 255;
    return fieldFrom(
      size,
      Uint8Array.from(indices, (index) => (index === black[0] ? 0 : other)),
      255,
    );
  }
  return fieldFrom(size, indices, 255, [], true);
}

// Opacity

interface Visible {
  /** 1 where a pixel is not wholly transparent. */
  readonly any: Uint8Array;
  /** 1 where a pixel is opaque rather than transparent. */
  readonly opaque: Uint8Array;
}

/** Null where opacity says nothing: there is none, or it is the same everywhere. */
function visibleOf({ size, channels, samples, white }: MaskSamples): Visible | null {
  if (channels !== 2 && channels !== 4) return null;
  const any = new Uint8Array(area(size));
  const opaque = new Uint8Array(area(size));
  const first = samples[channels - 1];
  let isSame = true;
  for (let i = 0; i < any.length; i++) {
    const alpha = samples[i * channels + channels - 1];
    isSame &&= alpha === first;
    any[i] = alpha > 0 ? 1 : 0;
    opaque[i] = 2 * alpha >= white ? 1 : 0;
  }
  return isSame && first > 0 ? null : { any, opaque };
}

/**
 * What is visible as the object, where that is a piece of a picture or of one colour; null where visible pixels hold a
 * mask of their own.
 */
function cutOut(colours: MaskField['values'], { any, opaque }: Visible, { size }: MaskSamples): MaskField | null {
  const seen = new Set<number>();
  let pairs = 0;
  let equal = 0;
  for (let i = 0; i < colours.length; i++) {
    if (any[i] === 0) continue;
    seen.add(colours[i]);
    if ((i + 1) % size.width === 0 || any[i + 1] === 0) continue;
    pairs++;
    if (colours[i] === colours[i + 1]) equal++;
  }
  const isPicture = seen.size > PICTURE_COLOURS && equal < PICTURE_CONSTANCY * pairs;
  if (!isPicture && seen.size !== 1) return null;
  const values = Uint8Array.from(opaque, (one) => (one ? 255 : 0));
  return fieldFrom(size, values, 255, ['a cut-out: what is opaque is the object']);
}

const where = <T extends MaskField['values']>(values: T, visible: Uint8Array): T =>
  values.map((value, i) => (visible[i] ? value : 0)) as T;

// Numbers

/** Samples as whole numbers of at least 0. Floats between 0 and 1 become 0 to 255. */
function wholeNumbers({ samples, white }: MaskSamples, name: string): { values: MaskField['values']; white: number } {
  if (samples instanceof Uint8Array || samples instanceof Uint16Array || samples instanceof Uint32Array) {
    return { values: samples, white };
  }
  let largest = 0;
  let isWhole = true;
  for (const value of samples) {
    if (!(value >= 0 && Number.isFinite(value))) {
      throw new UserError(
        `${name} holds the value ${value}: expected whole numbers from 0 on, or numbers from 0 to 1.`,
      );
    }
    if (value > largest) largest = value;
    isWhole &&= Number.isInteger(value);
  }
  if (isWhole && largest < 2 ** 32) return { values: narrow(samples, largest), white: largest <= 255 ? 255 : 65535 };
  if (largest <= 1)
    return { values: Uint8Array.from(samples as Float32Array, (value) => Math.round(255 * value)), white: 255 };
  throw new UserError(
    `${name} holds fractions up to ${largest}: expected whole numbers from 0 on, or numbers from 0 to 1.`,
  );
}

function narrow(samples: SampleArray, largest: number): MaskField['values'] {
  const Kind = largest <= 255 ? Uint8Array : largest <= 65535 ? Uint16Array : Uint32Array;
  return Kind.from(samples as Float64Array);
}

/** The first of `channels` samples per pixel. */
function everyOf<T extends MaskField['values']>(samples: T, channels: number): T {
  const values = samples.slice(0, samples.length / channels) as T;
  for (let i = 0; i < values.length; i++) values[i] = samples[i * channels];
  return values;
}

function countsOf(values: MaskField['values']): Map<number, number> {
  const counts = new Map<number, number>();
  if (values instanceof Uint32Array) {
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    return new Map([...counts].sort(([a], [b]) => a - b));
  }
  // A map takes seconds for a large mask.
  const dense = new Uint32Array(values instanceof Uint8Array ? 256 : 65536);
  for (let i = 0; i < values.length; i++) dense[values[i]]++;
  dense.forEach((count, value) => {
    if (count > 0) counts.set(value, count);
  });
  return counts;
}

// Colours

/** 0xrrggbb of every pixel, of 8 bits per channel. */
function coloursOf({ size, channels, samples, white }: MaskSamples, name: string): Uint32Array {
  if (!(samples instanceof Uint8Array || samples instanceof Uint16Array)) {
    throw new UserError(`${name} has colours of more than 16 bits: expected a mask of one channel.`);
  }
  const colours = new Uint32Array(area(size));
  const to8 = (value: number) => (white === 255 ? value : Math.round((255 * value) / white));
  for (let i = 0, at = 0; i < colours.length; i++, at += channels) {
    colours[i] = (to8(samples[at]) << 16) | (to8(samples[at + 1]) << 8) | to8(samples[at + 2]);
  }
  return colours;
}

/** The values of colours that are all grey, null where some are not. */
function greyField(mask: MaskSamples, colours: Uint32Array, visible: Visible | null): MaskField | null {
  let isExact = true;
  let brightest = 0;
  for (const colour of colours) {
    const [red, green, blue] = channelsOf(colour);
    if (red > brightest) brightest = red;
    if (red === green && red === blue) continue;
    isExact = false;
    if (Math.max(red, green, blue) - Math.min(red, green, blue) > GREY_TOLERANCE) return null;
  }
  if (isExact) {
    const values = everyOf(mask.samples as Uint8Array | Uint16Array, mask.channels);
    return fieldFrom(mask.size, visible ? where(values, visible.any) : values, mask.white);
  }
  // Colours that are nearly black may be ids, which a mean would mix up.
  if (brightest < 128) return null;
  const values = Uint8Array.from(colours, (colour) => {
    const [red, green, blue] = channelsOf(colour);
    return Math.round((red + green + blue) / 3);
  });
  return fieldFrom(mask.size, values, 255);
}

/** Two colours and their mixtures at the rim, of which one is black or else white: 0 for that, 255 for the other. */
function colourField(size: Size, colours: Uint32Array, name: string): MaskField {
  const counts = new Map<number, number>();
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const frequent = [...counts].sort(([, a], [, b]) => b - a).map(([colour]) => colour);
  if (counts.size === 2 && counts.has(0))
    return fieldFrom(
      size,
      Uint8Array.from(colours, (one) => (one ? 255 : 0)),
      255,
    );
  const [first] = frequent;
  const second = frequent.find((colour) => distance(colour, first) >= ALIKE);
  const isBackground = (colour: number) => Math.max(...channelsOf(colour)) <= 40;
  const isPaper = (colour: number) => Math.min(...channelsOf(colour)) >= 215;
  const background =
    [first, second].find((one) => one !== undefined && isBackground(one)) ??
    [first, second].find((one) => one !== undefined && isPaper(one));
  if (second === undefined || background === undefined) throw severalColours(counts, area(size), name);
  const object = background === first ? second : first;
  const places = new Map([...counts.keys()].map((colour) => [colour, placeBetween(colour, background, object)]));
  let stray = 0;
  let marked = 0;
  for (const [colour, count] of counts) {
    const { share, off } = places.get(colour)!;
    if (share >= 0.5 || off > OFF_LINE) marked += count;
    if (off > OFF_LINE) stray += count;
  }
  if (stray > STRAY_COLOURS * marked) throw severalColours(counts, area(size), name);
  const values = Uint8Array.from(colours, (colour) => Math.round(255 * places.get(colour)!.share));
  const notes = isPaper(background) ? [`${describeColour(object)} on white: what is not white is the object`] : [];
  return fieldFrom(size, values, 255, notes);
}

const channelsOf = (colour: number): [number, number, number] => [colour >> 16, (colour >> 8) & 255, colour & 255];

const distance = (a: number, b: number): number => {
  const other = channelsOf(b);
  return Math.max(...channelsOf(a).map((value, i) => Math.abs(value - other[i])));
};

/** How far a colour is on the way between two others, 0 to 1, and how far off that way. */
function placeBetween(colour: number, from: number, to: number): { share: number; off: number } {
  const start = channelsOf(from);
  const way = channelsOf(to).map((value, i) => value - start[i]);
  const step = channelsOf(colour).map((value, i) => value - start[i]);
  const length = way.reduce((sum, value) => sum + value * value, 0);
  const along = way.reduce((sum, value, i) => sum + value * step[i], 0) / length;
  const share = Math.min(1, Math.max(0, along));
  return { share, off: Math.hypot(...step.map((value, i) => value - share * way[i])) };
}

function describeColour(colour: number): string {
  if (colour === 0) return 'black';
  return colour === 0xffffff ? 'white' : `#${colour.toString(16).padStart(6, '0')}`;
}

function severalColours(counts: ReadonlyMap<number, number>, pixels: number, name: string): UserError {
  const share = (count: number) => `${((100 * count) / pixels).toFixed(count * 100 < pixels ? 1 : 0)} %`;
  const listed = [...counts].sort(([, a], [, b]) => b - a).slice(0, LISTED);
  const more = counts.size > LISTED ? ` and ${(counts.size - LISTED).toLocaleString('en')} more` : '';
  const text = listed.map(([colour, count]) => `${describeColour(colour)} (${share(count)})`).join(', ');
  return new UserError(
    `${name} holds several colours, ${text}${more}, and which one is the object cannot be told: save it with the object in one colour on black.`,
  );
}
