/**
 * DINOv2 (Oquab et al. 2023, arXiv 2304.07193), with and without registers (Darcet et al. 2024, arXiv 2309.16588), and
 * DINOv3 (Simeoni et al. 2025, arXiv 2508.10104), as exported for transformers.js: `pixel_values` ->
 * `last_hidden_state`.
 */
import { area, describeSize, type Size } from '../../core/geometry';
import type { PatchTokens } from '../../core/tokens/patchGrid';
import { principalDirections } from '../../core/tokens/subspace';
import { unitTokens } from '../../core/tokens/tokenRows';
import { UserError } from '../../core/userError';
import type { ModelEntry } from '../../models/manifest';
import type { ResolvedModel } from '../../models/modelStore';
import { ProjectionGraph } from '../matching/projectionGraph';
import { type Contract, float32 } from '../runtime/contract';
import { openGraph } from '../runtime/graphs';
import { IMAGENET, normalisedFloats, ownOr } from '../runtime/pixelTensors';
import type { Session } from '../runtime/sessions';
import { type FloatTensor, toFloats, toTensor } from '../runtime/tensors';
import { type Encoding, type ImageEncoder, inputSideOf, patchSizeOf } from './imageEncoder';

const TOKENS = 'last_hidden_state';

/** As many registers as the models of the two families have. */
const USUAL_REGISTERS = [0, 4];

/** Of 1024 channels INSID3 (arXiv 2603.28480) takes 500 directions out; of other widths the same share. */
const POSITIONAL_SHARE = 500 / 1024;

/** Where a DINO model differs from the others. */
interface DinoOptions {
  /** Takes positions out of the tokens. */
  readonly debiased: boolean;
}

export class DinoEncoder implements ImageEncoder {
  readonly features: readonly string[] = [];
  /** What takes positions out, by the size of the input: of the tokens after the last norm, and of those before. */
  private readonly positions = new Map<string, Promise<Readonly<Record<string, ProjectionGraph>>>>();

  private constructor(
    private readonly session: Session,
    private readonly entry: ModelEntry,
    private readonly side: number,
    private readonly threads: number,
    private readonly options: DinoOptions,
  ) {}

  static openV2(model: ResolvedModel, threads: number): Promise<DinoEncoder> {
    return DinoEncoder.open(model, threads, { debiased: false });
  }

  /** DINOv3's tokens tell where they are as much as what they show: positions are taken out before matching. */
  static openV3(model: ResolvedModel, threads: number): Promise<DinoEncoder> {
    return DinoEncoder.open(model, threads, { debiased: model.entry.positionalRank !== 0 });
  }

  private static async open(model: ResolvedModel, threads: number, options: DinoOptions): Promise<DinoEncoder> {
    const { entry } = model;
    const contract: Contract = {
      inputs: { pixel_values: float32(4) },
      outputs: { [TOKENS]: float32(3), ...(entry.preNormTokens && { [entry.preNormTokens]: float32(3) }) },
    };
    const side = inputSideOf(entry);
    return new DinoEncoder(await openGraph(model, 'model', contract, { threads }), entry, side, threads, options);
  }

  inputSize(): Size {
    return { width: this.side, height: this.side };
  }

  async encode(pixels: Uint8Array, modelSize: Size): Promise<Encoding> {
    const found = await this.run(pixels, modelSize);
    const { [TOKENS]: tokens, ...before } = this.options.debiased
      ? await this.withoutPositions(found, modelSize)
      : found;
    const preNormTokens = this.entry.preNormTokens === undefined ? undefined : before[this.entry.preNormTokens];
    return { modelSize, tokens: tokens!, ...(preNormTokens && { preNormTokens }), features: {} };
  }

  async dispose(): Promise<void> {
    for (const graphs of this.positions.values()) {
      for (const graph of Object.values(await graphs)) await graph.dispose();
    }
    await this.session.dispose();
  }

  /** The patch tokens of each output. */
  private async run(pixels: Uint8Array, modelSize: Size): Promise<Record<string, PatchTokens>> {
    const outputs = await this.session.run({
      pixel_values: toTensor(normalisedFloats(pixels, modelSize, ownOr(IMAGENET, this.entry))),
    });
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [name, this.patchTokens(name, toFloats(tensor), modelSize)]),
    );
  }

  /** Without the class token and the registers, which stand before the patches. */
  private patchTokens(name: string, { dims, data }: FloatTensor, modelSize: Size): PatchTokens {
    const patch = patchSizeOf(this.entry);
    const grid = { width: modelSize.width / patch, height: modelSize.height / patch };
    const [, count, dim] = dims as [number, number, number];
    const found = count - 1 - area(grid);
    const { registers } = this.entry;
    if (registers === undefined ? !USUAL_REGISTERS.includes(found) : found !== registers) {
      const expected = registers === undefined ? USUAL_REGISTERS.join(' or ') : registers;
      throw new UserError(
        `The encoder "${this.entry.id}" gives ${count} tokens (${name}) for ${describeSize(modelSize)} pixels; expected 1 class token, ${expected} registers and ${area(grid)} patches of ${patch} pixels.`,
      );
    }
    return { grid, dim, data: data.slice((1 + found) * dim), normalised: false };
  }

  private async withoutPositions(
    tokens: Readonly<Record<string, PatchTokens>>,
    modelSize: Size,
  ): Promise<Record<string, PatchTokens>> {
    const positions = await this.positionsOf(modelSize);
    const rest: Record<string, PatchTokens> = {};
    for (const [name, found] of Object.entries(tokens)) {
      // Unit tokens, as the directions come from unit tokens.
      const { data } = await positions[name]!.projectOut(unitTokens(found));
      rest[name] = { ...found, data };
    }
    return rest;
  }

  /** Estimated from a blank image, whose tokens differ by nothing but their place. */
  private positionsOf(modelSize: Size): Promise<Readonly<Record<string, ProjectionGraph>>> {
    const key = describeSize(modelSize);
    let known = this.positions.get(key);
    if (known === undefined) {
      known = this.estimatePositions(modelSize);
      known.catch(() => this.positions.delete(key));
      this.positions.set(key, known);
    }
    return known;
  }

  private async estimatePositions(modelSize: Size): Promise<Readonly<Record<string, ProjectionGraph>>> {
    const graphs: Record<string, ProjectionGraph> = {};
    for (const [name, tokens] of Object.entries(await this.run(new Uint8Array(area(modelSize) * 3), modelSize))) {
      const rank = this.entry.positionalRank ?? Math.round(tokens.dim * POSITIONAL_SHARE);
      graphs[name] = await ProjectionGraph.open(principalDirections(unitTokens(tokens), rank), this.threads);
    }
    return graphs;
  }
}
