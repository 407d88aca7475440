/** Reads the golden arrays of test/golden (see make_golden.py there for their layout). */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Size } from '../src/core/geometry';
import type { Mask } from '../src/core/pixels/mask';
import type { PatchSets } from '../src/core/tokens/matching';
import type { PatchTokens } from '../src/core/tokens/patchGrid';

interface GoldenImage {
  readonly grid: Size;
  readonly size: Size;
  readonly tokens: number[];
}

export interface GoldenCandidate {
  readonly label: 0 | 1;
  readonly source: string;
  readonly patchIndex: number;
  readonly referencePatch: number;
  readonly backPatch: number;
  readonly forwardDistance: number;
  readonly backwardDistance: number;
  readonly point: [number, number];
  readonly reason: string;
}

export interface PromptCase {
  readonly about: string;
  readonly dim: number;
  readonly reference: GoldenImage;
  readonly target: GoldenImage;
  readonly mask: { readonly size: Size; readonly runs: number[] };
  readonly support: { coverage: number[]; foreground: number[]; background: number[]; rule: string };
  readonly supportGbmseg: { foreground: number[]; background: number[] };
  readonly matching: Record<
    | 'nearestTarget'
    | 'nearestTargetDistance'
    | 'farthestTarget'
    | 'farthestTargetDistance'
    | 'nearestReference'
    | 'nearestReferenceDistance',
    number[]
  >;
  readonly apMedsam: {
    positives: number[];
    negatives: number[];
    positivesBackward: number[];
    negativesBackward: number[];
    selfMeans: number[] | null;
    positivesSelf: number[];
    hard: number[] | null;
    rSparse: number | null;
    rExclusive: number | null;
    absent: boolean;
    candidates: GoldenCandidate[];
  };
  readonly gbmseg: { absent: boolean; labels: number[] | null; points: [number, number][] | null };
}

export const promptCases = [
  'aTwoBlobs',
  'bThin',
  'cBest',
  'dNoBackground',
  'eAllFail',
  'fTies',
  'gOne',
  'gOneBest',
  'hLarge',
] as const;

export function golden<T = PromptCase>(name: string): T {
  return JSON.parse(readFileSync(path.join(import.meta.dirname, 'golden', `${name}.json`), 'utf8')) as T;
}

export function tokensOf({ grid, tokens }: GoldenImage, dim: number): PatchTokens {
  return { grid, dim, data: Float32Array.from(tokens), normalised: false };
}

export function setsOf({ foreground, background }: { foreground: number[]; background: number[] }): PatchSets {
  return { foreground: Int32Array.from(foreground), background: Int32Array.from(background) };
}

export function maskOf({ size, runs }: PromptCase['mask']): Mask {
  const data = new Uint8Array(size.width * size.height);
  let at = 0;
  runs.forEach((length, index) => {
    data.fill(index % 2, at, at + length);
    at += length;
  });
  return { size, data };
}
