/**
 * What changes between the pictures of one folder: the light, and where and how large things lie. A change makes of a
 * picture and its mask another picture with its mask.
 */
import sharp, { type Sharp } from 'sharp';
import { area, type Size } from '../../src/core/geometry';
import type { Mask } from '../../src/core/pixels/mask';
import { seededRandom } from '../seeded';

export interface LabelledPicture {
  /** uint8 RGB [height, width, 3]; `mask` has the same size. */
  readonly rgb: Uint8Array;
  readonly mask: Mask;
}

/** What a geometric change fills and resizes with, different for pictures and masks. */
interface Ground {
  readonly size: Size;
  /** Of a picture the median of each channel; of a mask the background. */
  readonly median: () => { readonly r: number; readonly g: number; readonly b: number };
  readonly kernel: 'lanczos3' | 'nearest';
}

export interface Shift {
  readonly name: string;
  /** New values of the picture, whose pixels stay where they are. */
  readonly light?: (rgb: Uint8Array, size: Size) => Uint8Array | Promise<Uint8Array>;
  /** Where things lie, of the picture and of the mask alike. */
  readonly place?: (image: Sharp, ground: Ground) => Sharp;
}

/** Each value by itself; what leaves 0 to 255 is cut. */
const tone = (curve: (value: number, channel: number) => number) => (rgb: Uint8Array) =>
  rgb.map((value, at) => Math.min(255, Math.max(0, Math.round(curve(value, at % 3)))));

const gamma = (power: number) => tone((value) => 255 * (value / 255) ** power);

/** Rec. 601 luma in all channels. */
const grey = (rgb: Uint8Array): Uint8Array =>
  rgb.map((_, at) => {
    const pixel = at - (at % 3);
    return Math.round(0.299 * rgb[pixel] + 0.587 * rgb[pixel + 1] + 0.114 * rgb[pixel + 2]);
  });

/** Standard deviation of the noise, of 255. */
const NOISE = 12;

/** Gaussian noise, the same in every run (Box and Muller 1958). */
function noisy(rgb: Uint8Array): Uint8Array {
  const random = seededRandom(1);
  return tone((value) => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    return value + NOISE * radius * Math.cos(2 * Math.PI * random());
  })(rgb);
}

/** Standard deviation of the blur, as a share of the long side: about a pixel of what the encoder sees. */
const BLUR = 1 / 256;

async function blurred(rgb: Uint8Array, size: Size): Promise<Uint8Array> {
  const sigma = Math.max(0.3, BLUR * Math.max(size.width, size.height));
  return await sharp(rgb, rawOf(size)).blur(sigma).raw().toBuffer();
}

const rawOf = ({ width, height }: Size) => ({ raw: { width, height, channels: 3 as const } });

/** The middle of the image, this share of each side. */
const CLOSER = 0.6;

function closer(image: Sharp, { size: { width, height } }: Ground): Sharp {
  const side = (length: number) => Math.max(1, Math.round(CLOSER * length));
  const start = (length: number) => Math.floor((length - side(length)) / 2);
  return image.extract({ left: start(width), top: start(height), width: side(width), height: side(height) });
}

const BLACK = { r: 0, g: 0, b: 0 };

/** On a canvas of twice the size, in its middle. */
const farther =
  (canvas: 'black' | 'median' | 'mirror') =>
  (image: Sharp, { size: { width, height }, median }: Ground): Sharp => {
    const left = Math.floor(width / 2);
    const top = Math.floor(height / 2);
    return image.extend({
      ...{ left, top, right: width - left, bottom: height - top },
      background: canvas === 'median' ? median() : BLACK,
      extendWith: canvas === 'mirror' ? 'mirror' : 'background',
    });
  };

/** In the order of the table. */
export const shifts: readonly Shift[] = [
  { name: 'unchanged' },
  { name: 'darker', light: tone((value) => 0.65 * value) },
  { name: 'brighter', light: tone((value) => 1.35 * value) },
  { name: 'gamma 0.6', light: gamma(0.6) },
  { name: 'gamma 1.6', light: gamma(1.6) },
  { name: 'warm', light: tone((value, channel) => value * [1.15, 1, 0.8][channel]) },
  { name: 'grey', light: grey },
  {
    name: 'half resolution',
    place: (image, { size: { width, height }, kernel }) =>
      image.resize(Math.ceil(width / 2), Math.ceil(height / 2), { fit: 'fill', kernel }),
  },
  { name: 'low contrast', light: tone((value) => 128 + 0.4 * (value - 128)) },
  { name: 'noise', light: noisy },
  { name: 'blur', light: blurred },
  { name: 'mirrored', place: (image) => image.flop() },
  { name: 'turned 90', place: (image) => image.rotate(90) },
  { name: 'turned 180', place: (image) => image.rotate(180) },
  { name: 'closer', place: closer },
  { name: 'farther, on black', place: farther('black') },
  { name: 'farther, on its median', place: farther('median') },
  // What the mirrors show is the object too, and labelled as such.
  { name: 'farther, among mirrors', place: farther('mirror') },
];

export async function shifted({ rgb, mask }: LabelledPicture, { light, place }: Shift): Promise<LabelledPicture> {
  const { size } = mask;
  const lit = light ? await light(rgb, size) : rgb;
  if (!place) return { rgb: lit, mask };
  const picture = await placed(lit, place, { size, median: () => medianOf(lit), kernel: 'lanczos3' });
  const white = new Uint8Array(3 * area(size)).map((_, at) => 255 * mask.data[Math.floor(at / 3)]);
  const drawn = await placed(white, place, { size, median: () => BLACK, kernel: 'nearest' });
  const data = new Uint8Array(area(drawn.size)).map((_, pixel) => (drawn.rgb[3 * pixel] >= 128 ? 1 : 0));
  return { rgb: picture.rgb, mask: { size: drawn.size, data } };
}

async function placed(rgb: Uint8Array, place: NonNullable<Shift['place']>, ground: Ground) {
  const image = place(sharp(rgb, rawOf(ground.size)), ground);
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { rgb: data, size: { width: info.width, height: info.height } };
}

function medianOf(rgb: Uint8Array): ReturnType<Ground['median']> {
  const of = (channel: number) => {
    const sorted = new Uint8Array(rgb.length / 3).map((_, pixel) => rgb[3 * pixel + channel]).sort();
    return sorted[sorted.length >> 1];
  };
  return { r: of(0), g: of(1), b: of(2) };
}
