/** What a probe process does: the chosen models on a device and on the CPU, same input, in turns. */
import type { Size } from '../../core/geometry';
import type { PromptSet, SegmenterCapabilities } from '../../core/prompting/segmenter';
import { ModelStore } from '../../models/modelStore';
import type { DeviceMeasurement, DeviceName, ProbeApi, ProbeConfig } from '../../protocol/deviceApi';
import type { Handlers } from '../../rpc';
import { Placement } from '../runtime/placement';
import type { ImageEmbedding, PixelSegmenter } from '../segmenters';
import { type LoadedModels, loadModels } from './loadedModels';

/** Runs that are timed, and the time after which fewer must do. */
const RUNS = 5;
const ENOUGH_MS = 10_000;

/** A device that is this many times slower than the CPU needs no more runs. */
const HOPELESS = 4;

/** Numbers that two devices should agree on. */
export interface Outputs {
  readonly tokens: Float32Array;
  readonly logits: Float32Array;
}

export class DeviceProbe implements Handlers<ProbeApi> {
  constructor(private readonly config: ProbeConfig) {}

  async measure(): Promise<DeviceMeasurement> {
    const { modelsDir, homeDir, encoder, segmenter, threads, probe } = this.config;
    const store = new ModelStore(modelsDir, homeDir);
    const log = (line: string) => console.error(line);
    const open = (device: DeviceName) =>
      new Placement(device, { log, mayMove: false }).run(() => loadModels(store, { encoder, segmenter }, threads));
    // The device first: what it cannot do at all is known without waiting for the CPU.
    const there = await open(probe);
    const here = await open('cpu');
    return await compare(
      () => answer(there),
      () => answer(here),
    );
  }
}

/**
 * Runs both once to warm up and compare, then in turns, so that what else the machine does meanwhile hits both alike.
 *
 * @param onDevice, onCpu one run each
 */
export async function compare(
  onDevice: () => Promise<Outputs>,
  onCpu: () => Promise<Outputs>,
  now: () => number = () => performance.now(),
): Promise<DeviceMeasurement> {
  const difference = relativeDifference(await onCpu(), await onDevice());
  const cpu: number[] = [];
  const device: number[] = [];
  const timed = async (run: () => Promise<unknown>, times: number[]) => {
    const started = now();
    await run();
    times.push(now() - started);
  };
  const started = now();
  do {
    await timed(onCpu, cpu);
    await timed(onDevice, device);
  } while (device.length < RUNS && now() - started < ENOUGH_MS && median(device) < median(cpu) * HOPELESS);
  return { difference, milliseconds: median(device), cpuMilliseconds: median(cpu) };
}

/** Largest of max |a - b| / max |a| over tokens and logits; Infinity where something is no number or lengths differ. */
export function relativeDifference(expected: Outputs, found: Outputs): number {
  return Math.max(ofOne(expected.tokens, found.tokens), ofOne(expected.logits, found.logits));
}

function ofOne(expected: Float32Array, found: Float32Array): number {
  if (expected.length !== found.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    difference = Math.max(difference, Math.abs(expected[i] - found[i]));
  }
  // Math.max hands NaN on, of either side.
  if (!Number.isFinite(difference) || !Number.isFinite(largest)) return Number.POSITIVE_INFINITY;
  return difference === 0 ? 0 : difference / largest;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** One image through the encoder and one prompt set through the segmenter. */
export async function answer({ encoder, segmenter }: LoadedModels): Promise<Outputs> {
  const modelSize = encoder.inputSize(SYNTHETIC);
  const encoding = await encoder.encode(syntheticPixels(modelSize), modelSize);
  const embedding = segmenter.reads === 'features' ? await segmenter.embed(encoding) : await embedPixels(segmenter);
  const [decoded] = await segmenter.decode(embedding, SYNTHETIC, [promptsFor(segmenter.capabilities)]);
  return { tokens: encoding.tokens.data, logits: decoded!.logits.data };
}

function embedPixels(segmenter: PixelSegmenter): Promise<ImageEmbedding> {
  const modelSize = segmenter.inputSize(SYNTHETIC);
  return segmenter.embed(syntheticPixels(modelSize), modelSize);
}

/** Size of the image that everything is tried on, in targetPx. */
const SYNTHETIC: Size = { width: 512, height: 512 };

/**
 * uint8 [height, width, 3]: a bright disc on a slanted ground with a fine pattern, so that no layer sees zeros alone.
 */
export function syntheticPixels({ width, height }: Size): Uint8Array {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const inside = Math.hypot(x / width - 0.5, y / height - 0.5) < 0.2;
      const ground = 40 + (80 * x) / width + (40 * y) / height + ((x * 7 + y * 13) % 17);
      pixels[at] = inside ? 210 : ground;
      pixels[at + 1] = inside ? 150 : ground + 10;
      pixels[at + 2] = inside ? 90 : ground + 20;
    }
  }
  return pixels;
}

/** What the segmenter can be asked about the disc. */
function promptsFor({ points, negatives }: SegmenterCapabilities): PromptSet {
  if (!points) return { points: [], box: { left: 150, top: 150, right: 362, bottom: 362 } };
  return {
    points: [
      { point: { x: 256, y: 256 }, label: 1 },
      { point: { x: 300, y: 230 }, label: 1 },
      ...(negatives ? [{ point: { x: 60, y: 80 }, label: 0 as const }] : []),
    ],
  };
}
