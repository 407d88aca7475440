/** `ap-medsam evaluate`: how good the masks are on a folder whose masks are known. */
import path from 'node:path';
import { spearman } from '../core/rankCorrelation';
import {
  type EvaluationOptions,
  evaluateReference,
  type FailedImage,
  type ImageScore,
  labelledImages,
  summarise,
} from '../dataset/evaluate';
import { spread } from '../dataset/files/spread';
import { PROJECT_DEFAULTS } from '../dataset/project/setUp';
import { type Arguments, type Command, type CommandContext, EXIT, UsageError } from './command';
import {
  chosenStrategy,
  engineOptions,
  engineSettings,
  jsonOption,
  maskManner,
  maskValueOption,
  strategyOptions,
} from './options';
import { textTable } from './textTable';

export const evaluate: Command = {
  name: 'evaluate',
  summary: 'compare automatic masks with known ones: a Dice and IoU table',
  usage: '--data <folder with images and masks> [options]',
  description: [
    'Takes some labelled images as reference in turn, labels the others and compares the results with their own masks. Writes nothing unless asked for overlays.',
    'Dice and IoU are 1 for a perfect mask and 0 for none; boundary F is the share of the outline that lies within 0.8 % of the diagonal.',
    'Trust is what the program expects of the Dice without knowing the right mask; rho (Spearman) is 1 where it puts the images in the order of their real Dice, and 0 where it tells nothing.',
  ],
  options: {
    data: { value: 'folder', help: 'folder that holds the images (in it or in "images") and a mask folder' },
    masks: { value: 'folder', help: 'the mask folder, relative to --data', default: 'masks' },
    class: {
      value: 'id',
      help: 'pixel value of the class, where masks are maps of class ids; default: 1, unless values number the objects',
    },
    'mask-value': maskValueOption,
    references: { value: 'n', help: 'how many references to take in turn, spread over the folder', default: '3' },
    reference: { value: 'name', help: 'take this image as the only reference, such as a.png' },
    targets: { value: 'n', help: 'most images to label per reference, spread over the folder; default: all' },
    'save-overlays': { value: 'folder', help: 'also write pictures with mask outline and prompts' },
    ...strategyOptions,
    ...engineOptions,
    json: jsonOption,
  },
  examples: [
    'ap-medsam evaluate --data data/nuclei',
    'ap-medsam evaluate --data data/nuclei --strategy gbmseg --references 5 --targets 20',
  ],
  run,
};

async function run(args: Arguments, context: CommandContext): Promise<number> {
  const folder = args.text('data');
  if (folder === undefined) throw new UsageError('name the folder with --data');
  const classId = args.count('class') ?? 1;
  const chosen = chosenStrategy(args);
  const targets = args.count('targets');
  const json = args.flag('json');
  const set = await labelledImages(folder, args.text('masks'));
  const references = chooseReferences(args, set);
  const engine = await context.startEngines({
    ...engineSettings(args),
    encoder: args.text('encoder') ?? PROJECT_DEFAULTS.encoder,
    segmenter: args.text('segmenter') ?? PROJECT_DEFAULTS.segmenter,
  });
  const overlays = args.text('save-overlays');
  const told = new Set<string>();
  const options: EvaluationOptions = {
    strategy: chosen.strategy ?? PROJECT_DEFAULTS.strategy,
    parameters: { ...PROJECT_DEFAULTS.parameters, ...chosen.parameters },
    classId,
    isNamed: args.text('class') !== undefined,
    manner: maskManner(args),
    signal: context.signal,
    ...(targets === undefined ? {} : { targets }),
    onNote: (note) => {
      if (!told.has(note)) context.err(`Note: ${note}.`);
      told.add(note);
    },
    onScore: async (score) => {
      if (json) context.out(JSON.stringify(jsonRow(score)));
      if (overlays !== undefined) {
        const { reference, target, result } = score;
        await engine.saveOverlay({
          image: target.image,
          layers: [{ mask: result.mask, prompts: result.prompts, colour: OVERLAY_COLOUR }],
          output: path.resolve(overlays, `${flat(reference.name)}-to-${flat(target.name)}.overlay.png`),
        });
      }
    },
  };
  const scores: ImageScore[] = [];
  const failures: FailedImage[] = [];
  for (const reference of references) {
    const evaluated = await evaluateReference(set, reference, engine, options);
    scores.push(...evaluated.scores);
    failures.push(...evaluated.failures);
    for (const { message } of evaluated.failures) context.err(`Failed: ${message}`);
  }
  if (!json) context.outText(report(scores));
  return failures.length > 0 ? EXIT.someFailed : EXIT.done;
}

const OVERLAY_COLOUR = '#e69f00';

const flat = (name: string): string => path.parse(name.replaceAll('/', '_')).name;

function chooseReferences(args: Arguments, set: Awaited<ReturnType<typeof labelledImages>>) {
  const name = args.text('reference');
  if (name === undefined) return spread(set, args.count('references')!);
  const found = set.filter((image) => image.name === name || path.posix.basename(image.name) === name);
  if (found.length === 1) return found;
  const problem = found.length === 0 ? 'is not among the images that have a mask' : 'is the name of several images';
  throw new UsageError(`--reference: ${name} ${problem}`);
}

function report(scores: readonly ImageScore[]): string {
  const references = [...new Set(scores.map(({ reference }) => reference))];
  const row = (name: string, of: readonly ImageScore[]) => {
    const dice = summarise(of.map((score) => score.dice));
    const iou = summarise(of.map((score) => score.iou));
    const boundary = summarise(of.map((score) => score.boundaryF));
    const absent = of.filter(({ result }) => result.outcome === 'absent').length;
    const numbers = [dice.mean, dice.median, dice.deviation, iou.mean, iou.median, boundary.mean];
    // What is called absent has an empty mask, whatever was found: its Dice is not what trust is about.
    const judged = of.filter(({ result }) => result.outcome === 'mask' && result.trust !== undefined);
    const trust = judged.map(({ result }) => result.trust!);
    const order = spearman(
      trust,
      judged.map((score) => score.dice),
    );
    const cells = [...numbers, summarise(trust).mean, order].map((value) =>
      Number.isNaN(value) ? '-' : value.toFixed(3),
    );
    return [name, String(of.length), ...cells, String(absent)];
  };
  const rows = references.map((reference) =>
    row(
      reference.name,
      scores.filter((score) => score.reference === reference),
    ),
  );
  return textTable(
    ['reference', 'images', 'Dice mean', 'median', 'std', 'IoU mean', 'median', 'boundary F', 'trust', 'rho', 'absent'],
    rows.length > 1 ? [...rows, row('all', scores)] : rows,
  );
}

function jsonRow({ reference, target, dice, iou, boundaryF, result }: ImageScore) {
  const { outcome, iouPrediction, notes, times } = result;
  return {
    reference: reference.name,
    image: target.name,
    outcome,
    dice,
    iou,
    boundaryF,
    trust: result.trust ?? null,
    trustParts: result.trustParts ?? null,
    iouPrediction: iouPrediction ?? null,
    notes,
    milliseconds: Math.round(times.total),
  };
}
