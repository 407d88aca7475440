/** The overlay picture: the image with the area of each class tinted and outlined, and the prompts that led to it. */
import { describeSize, longSide, moveToFrame, type Size, sameSize } from '../../core/geometry';
import { fromRuns } from '../../core/pixels/mask';
import type { PromptCandidate } from '../../core/prompting/prompts';
import { UserError } from '../../core/userError';
import { writeAtomic } from '../../disk/atomicFile';
import type { OverlayRequest } from '../../protocol/engineApi';
import { type ImageFile, openImage } from './imageFile';
import { readRgb } from './imagePixels';
import { encodePng, resizeGrey } from './libvips';

/** Below, a prompt hides the object that it stands on. */
const MIN_LONG_SIDE = 512;
/** Above, the picture takes longer to open than to judge. */
const MAX_LONG_SIDE = 2048;

const FILL_OPACITY = 0.3;
/** A dark rim keeps the outline visible where the image has the colour of the class. */
const RIM_OPACITY = 0.55;
const RIM_PX = 1.25;

const POSITIVE = '#1fbf4f';
const NEGATIVE = '#e5372c';

/**
 * Writes the overlay as a PNG at `request.output`. Throws UserError when the image cannot be read or the PNG written.
 */
export async function saveOverlay(request: OverlayRequest, pixelLimit: number): Promise<void> {
  const png = await drawOverlay(await openImage(request.image, pixelLimit, request.bands), request);
  await writeAtomic(request.output, png);
}

/**
 * PNG of the upright image, enlarged or reduced to a long side of 512 to 2048 px. Throws UserError unless the masks
 * have the image's size.
 */
async function drawOverlay(
  file: ImageFile,
  { layers, window }: Omit<OverlayRequest, 'image' | 'output'>,
): Promise<Buffer> {
  const { size } = file.info;
  const stray = layers.find(({ mask }) => !sameSize(mask.size, size));
  if (stray !== undefined) {
    throw new UserError(`${file.path} is ${describeSize(size)}, but its mask is ${describeSize(stray.mask.size)}.`);
  }
  const long = longSide(size);
  const scale = Math.min(Math.max(long, MIN_LONG_SIDE), MAX_LONG_SIDE) / long;
  const outSize: Size = {
    width: Math.max(1, Math.round(size.width * scale)),
    height: Math.max(1, Math.round(size.height * scale)),
  };
  const rgb = await readRgb(file, outSize, window);
  for (const { mask, colour } of layers) {
    const pixels = fromRuns(mask).data.map((value) => value * 255);
    tint(rgb, await resizeGrey(pixels, size, outSize), outSize, parseColour(colour));
  }
  const prompts = layers.flatMap((layer) => layer.prompts);
  return await encodePng(rgb, outSize, promptsSvg(prompts, size, outSize));
}

/** Blends fill, rim and outline into `rgb` (uint8 [height, width, 3]). */
function tint(rgb: Uint8Array, coverage: Uint8Array, size: Size, colour: readonly number[]): void {
  const radius = Math.max(2.6, longSide(size) / 400) / 2;
  const edge = edgePixels(coverage, size);
  const line = stamp(edge, size, radius);
  const rim = stamp(edge, size, radius + RIM_PX);
  for (let pixel = 0; pixel < coverage.length; pixel++) {
    if (!coverage[pixel] && !rim[pixel]) continue;
    const fill = (coverage[pixel]! / 255) * FILL_OPACITY;
    const dark = 1 - rim[pixel]! * RIM_OPACITY;
    const solid = line[pixel]!;
    for (let channel = 0; channel < 3; channel++) {
      const at = pixel * 3 + channel;
      const filled = rgb[at]! + (colour[channel]! - rgb[at]!) * fill;
      rgb[at] = Math.round(filled * dark * (1 - solid) + colour[channel]! * solid);
    }
  }
}

/** Indices of mask pixels with a neighbour outside the mask; the image's border is no edge. */
function edgePixels(coverage: Uint8Array, { width, height }: Size): number[] {
  const edge: number[] = [];
  const inside = (index: number) => coverage[index]! >= 128;
  for (let y = 0, index = 0; y < height; y++) {
    for (let x = 0; x < width; x++, index++) {
      if (!inside(index)) continue;
      const isEdge =
        (x > 0 && !inside(index - 1)) ||
        (x < width - 1 && !inside(index + 1)) ||
        (y > 0 && !inside(index - width)) ||
        (y < height - 1 && !inside(index + width));
      if (isEdge) edge.push(index);
    }
  }
  return edge;
}

/** float32 [height, width] in [0, 1]: discs of `radius` px with soft rims around the given pixels, joined. */
function stamp(pixels: readonly number[], { width, height }: Size, radius: number): Float32Array {
  const opacity = new Float32Array(width * height);
  const reach = Math.ceil(radius);
  for (const pixel of pixels) {
    const centreX = pixel % width;
    const centreY = (pixel - centreX) / width;
    for (let y = Math.max(0, centreY - reach); y <= Math.min(height - 1, centreY + reach); y++) {
      for (let x = Math.max(0, centreX - reach); x <= Math.min(width - 1, centreX + reach); x++) {
        const soft = Math.min(1, radius + 0.5 - Math.hypot(x - centreX, y - centreY));
        const at = y * width + x;
        if (soft > opacity[at]!) opacity[at] = soft;
      }
    }
  }
  return opacity;
}

/** Dots for the prompts in use, small hollow rings for rejected candidates; those that matter most are drawn last. */
function promptsSvg(prompts: readonly PromptCandidate[], from: Size, to: Size): string | undefined {
  if (prompts.length === 0) return undefined;
  const radius = 3 + longSide(to) / 256;
  const importance = ({ reason, label }: PromptCandidate) => (reason === 'kept' ? 1 + label : 0);
  const dots = [...prompts]
    .sort((a, b) => importance(a) - importance(b))
    .map(({ point, label, reason }) => {
      const { x, y } = moveToFrame(point, from, to);
      const at = `cx="${x.toFixed(2)}" cy="${y.toFixed(2)}"`;
      if (reason !== 'kept') {
        return `<circle ${at} r="${radius * 0.5}" fill="none" stroke="#000" stroke-opacity="0.5" stroke-width="2.6"/>
          <circle ${at} r="${radius * 0.5}" fill="none" stroke="#c4c4c4" stroke-width="1.2"/>`;
      }
      return `<circle ${at} r="${radius + 1}" fill="#000" fill-opacity="0.45"/>
        <circle ${at} r="${radius}" fill="#fff"/>
        <circle ${at} r="${radius * 0.68}" fill="${label === 1 ? POSITIVE : NEGATIVE}"/>`;
    });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${to.width}" height="${to.height}">${dots.join('')}</svg>`;
}

/** Red, green, blue of #rrggbb. Throws RangeError. */
function parseColour(colour: string): number[] {
  if (!/^#[0-9a-f]{6}$/i.test(colour)) throw new RangeError(`colour is "${colour}", expected #rrggbb`);
  return [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16));
}
