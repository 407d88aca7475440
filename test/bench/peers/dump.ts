/**
 * What the engine computes, stage by stage, for the Python peers:
 * node scripts/run.mjs test/bench/peers/dump.ts <set dir> <out dir>
 *
 * Per pair of reference and target a folder with tokens, masks, matches, prompt sets, logits and scores of strategy
 * `matcher`, and the prompts of strategy `gbmseg`. See peers/README.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { area } from '../../../src/core/geometry';
import { gbmsegPrompts } from '../../../src/core/strategies/gbmseg/gbmsegPrompts';
import {
  combine,
  patchesInside,
  type ScoreBasis,
  scoreMask,
  select,
} from '../../../src/core/strategies/matcher/maskScores';
import { MATCHER_SETTINGS, wholeClassSettings } from '../../../src/core/strategies/matcher/matcherPresets';
import { BidirectionalMatcher, matcherQuestions } from '../../../src/core/strategies/matcher/matcherStrategy';
import { toProposal } from '../../../src/core/strategies/matcher/proposals';
import { DEFAULT_PARAMETERS, type MatcherPreset } from '../../../src/core/strategies/strategy';
import { patchCentre } from '../../../src/core/tokens/patchGrid';
import { supportPatches } from '../../../src/core/tokens/supportMask';
import { type LabelledImage, labelledImages } from '../../../src/dataset/evaluate';
import { spread } from '../../../src/dataset/files/spread';
import { CosineGraph } from '../../../src/engine/matching/cosineGraph';
import { Matcher } from '../../../src/engine/matching/matcher';
import { type LoadedModels, loadModels } from '../../../src/engine/models/loadedModels';
import { openImage } from '../../../src/engine/pictures/imageFile';
import { readRgb } from '../../../src/engine/pictures/imagePixels';
import { ModelStore } from '../../../src/models/modelStore';
import { readMask } from '../../masks';
import { repository } from '../bench';
import { writeNpy } from './npy';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    preset: { type: 'string', default: 'object' },
    targets: { type: 'string', default: '2' },
    seed: { type: 'string', default: '0' },
  },
});

async function main(): Promise<void> {
  const [setDir, outDir] = positionals;
  if (outDir === undefined) {
    console.error('usage: dump.ts <set dir> <out dir> [--preset object] [--targets 2] [--seed 0]');
    process.exit(2);
  }
  const models = await loadModels(
    new ModelStore(path.join(repository, 'models'), path.join(os.tmpdir(), 'ap-medsam-peers')),
    { encoder: 'embedded', segmenter: 'embedded' },
    1,
  );
  const [reference, ...others] = await labelledImages(setDir);
  for (const target of spread(others, Number(values.targets))) {
    const folder = path.join(outDir, path.parse(target.name).name);
    mkdirSync(folder, { recursive: true });
    await dumpPair(models, reference, target, folder);
    console.log(folder);
  }
}

async function encode({ encoder }: LoadedModels, { image }: LabelledImage) {
  const file = await openImage(image, 2 ** 28);
  const { size } = file.info;
  const modelSize = encoder.inputSize(size);
  return { size, encoding: await encoder.encode(await readRgb(file, modelSize, undefined), modelSize) };
}

async function dumpPair(
  models: LoadedModels,
  reference: LabelledImage,
  target: LabelledImage,
  folder: string,
): Promise<void> {
  const of = await encode(models, reference);
  const on = await encode(models, target);
  const { tokens } = on.encoding;
  const { grid, dim } = tokens;
  const mask = await readMask(reference, 1);
  const truth = await readMask(target, 1);
  const write = (name: string, data: Float32Array | Int32Array | Uint8Array, ...shape: number[]) =>
    writeNpy(path.join(folder, `${name}.npy`), data, shape);
  write('reference_tokens', of.encoding.tokens.data, area(of.encoding.tokens.grid), dim);
  write('target_tokens', tokens.data, area(grid), dim);
  write('reference_mask', mask.data, mask.size.height, mask.size.width);
  write('target_mask', truth.data, truth.size.height, truth.size.width);

  const port = await CosineGraph.open(1);
  const sets = supportPatches(mask, of.encoding.tokens.grid);
  const { similarity, matches } = await new BidirectionalMatcher(port, of.encoding.tokens, sets.foreground).match(
    tokens,
  );
  const points = matches.kept.map(({ targetPatch }) => patchCentre(targetPatch, grid, on.size));
  const settings = wholeClassSettings(MATCHER_SETTINGS[values.preset as MatcherPreset]);
  const questions = matcherQuestions(points, on.size, settings, Number(values.seed));
  const { segmenter } = models;
  if (segmenter.reads !== 'features') throw new Error('the peers are compared on the embedded models');
  const answers = await segmenter.decode(await segmenter.embed(on.encoding), on.size, questions);
  const proposals = answers.map(toProposal);
  const basis: ScoreBasis = { similarity, foreground: sets.foreground.length, grid, points, target: on.size };
  const scores = proposals.map((proposal) => scoreMask(proposal.mask, basis));
  const [{ logits }] = answers;
  const all = new Float32Array(answers.length * logits.data.length);
  for (const [index, answer] of answers.entries()) all.set(answer.logits.data, index * logits.data.length);
  write('logits', all, answers.length, logits.size.height, logits.size.width);

  const gbmsegSets = supportPatches(mask, of.encoding.tokens.grid, { skipLastRowAndColumn: true, fallback: false });
  let gbmseg: unknown = null;
  if (gbmsegSets.foreground.length > 0) {
    const matcher = await Matcher.create(of.encoding.tokens, gbmsegSets, 1);
    const table = await matcher.match(tokens);
    await matcher.dispose();
    const prompts = gbmsegPrompts({ table, sets: gbmsegSets, target: on.size, ablation: DEFAULT_PARAMETERS.ablation });
    gbmseg = {
      foreground: [...gbmsegSets.foreground],
      background: [...gbmsegSets.background],
      prompts: prompts.filter(({ reason }) => reason === 'kept').map(({ point, label }) => [point.x, point.y, label]),
    };
  }
  const selected = select(scores, settings.selection);
  writeFileSync(
    path.join(folder, 'stages.json'),
    JSON.stringify({
      grid,
      size: on.size,
      preset: values.preset,
      settings,
      foreground: [...sets.foreground],
      kept: matches.kept,
      weaker: matches.weaker,
      rejected: matches.rejected,
      returned: matches.returned,
      points: points.map(({ x, y }) => [x, y]),
      questions: questions.map((question) => question.points.map(({ point }) => [point.x, point.y])),
      iouPredictions: answers.map(({ iouPrediction }) => iouPrediction),
      stabilities: proposals.map(({ stability }) => stability),
      patches: proposals.map((proposal) => patchesInside(proposal.mask, grid).length),
      scores: scores.map((one) => ({ ...one, total: combine(one, settings.selection) })),
      selected,
      gbmseg,
    }),
  );
  await port.dispose();
}

void main();
