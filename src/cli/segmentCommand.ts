/** `ap-medsam segment`: one labelled image labels a folder. */
import path from 'node:path';
import { runArea } from '../core/pixels/mask';
import { UserError } from '../core/userError';
import { type ClassReport, type ImageReport, runBatch } from '../dataset/batch/batch';
import type { OverwritePolicy } from '../dataset/batch/batchPlan';
import { countsText } from '../dataset/batch/batchProgress';
import { type BatchRequest, prepareBatch } from '../dataset/batch/batchSetUp';
import type { Shard } from '../dataset/batch/lock';
import { MaskFolderGrants } from '../dataset/files/maskFolderGrants';
import type { ProjectClass } from '../dataset/project/project';
import type { EnginePool } from '../engineClient/pool';
import { MASK_FORMATS } from '../formats/maskFile';
import type { BatchSummary, LearnFrom } from '../protocol/runnerApi';
import { type Arguments, type Command, type CommandContext, EXIT, UsageError } from './command';
import {
  bandsOption,
  chosenBands,
  chosenStrategy,
  engineOptions,
  engineSettings,
  jsonOption,
  maskManner,
  maskValueOption,
  strategyOptions,
} from './options';
import { duration, ProgressLine } from './progress';

export const segment: Command = {
  name: 'segment',
  summary: 'label a folder of images from one labelled reference image',
  usage: '<folder or image>... --reference <image> [--mask <file>] [options]',
  description: [
    'Writes one 8-bit palette PNG per image, pixel = class id, to the folder "masks" beside "images" (or beside the given folder\'s images), and keeps a journal in ".apmedsam". Images are never written to.',
    'Classes are segmented in one pass: each image is read and encoded once, and a pixel that several classes claim goes to the surer one.',
    'Run the same command again to go on after an interruption: what is done is skipped, and a mask that a person has made, edited or accepted is never overwritten. Without --reference those stored in the project are used.',
    'Masks that a person has accepted or edited teach what is labelled from then on; --again-below has the doubtful ones of before labelled again.',
  ],
  options: {
    reference: { value: 'image', help: 'the labelled example; stored in the project for the next run' },
    mask: {
      value: 'file',
      help: `its support mask (${MASK_FORMATS}), what is not plain in it is told; default: the reference's own mask in the mask folder`,
    },
    'mask-value': maskValueOption,
    add: { help: 'let --reference vote with the references that its class has, instead of taking their place' },
    out: { value: 'folder', help: 'where the masks go; stored in the project (default: masks)' },
    class: {
      value: 'name',
      repeatable: true,
      help: 'class of the reference; default: the only class of the project, or "object". Without --reference: label this class only, may be repeated; default: all classes that have references, in one pass',
    },
    overwrite: {
      value: 'policy',
      help: 'replace-auto makes automatic masks of another reference or other parameters anew; skip leaves every mask that is there',
      default: 'replace-auto',
    },
    'learn-from': {
      value: 'what',
      help: 'reviewed: the references and every mask that a person has accepted or edited; references: these alone',
      default: 'reviewed',
    },
    'again-below': {
      value: 'x',
      help: 'also label again the automatic masks that are trusted less than x, 0 to 1, and were taught by other reviewed masks than those of now',
    },
    shard: {
      value: 'i/n',
      help: 'label only the i-th of n parts of the folder, i from 1 to n: for Slurm arrays, Kubernetes jobs, GNU parallel',
    },
    'save-overlays': { value: 'folder', help: 'also write pictures with mask outline and prompts' },
    bands: bandsOption,
    ...strategyOptions,
    ...engineOptions,
    json: jsonOption,
  },
  takesFiles: true,
  examples: [
    'ap-medsam segment images --reference images/a.png --mask a_mask.png',
    'ap-medsam segment data/images --reference data/images/a.png --out data/labels --save-overlays data/overlays',
    'ap-medsam segment images --again-below 0.7',
    'ap-medsam segment images --shard $SLURM_ARRAY_TASK_ID/8 --json > labels.$SLURM_ARRAY_TASK_ID.jsonl',
  ],
  run,
};

async function run(args: Arguments, context: CommandContext): Promise<number> {
  const [first, ...others] = args.positionals.map((target) => path.resolve(target));
  if (first === undefined) throw new UsageError('name the folder or the images to label');
  const targets = [first, ...others] as const;
  if (args.flag('add') && args.text('reference') === undefined)
    throw new UsageError('--add needs a --reference to add');
  if (args.text('mask-value') !== undefined && args.text('reference') === undefined)
    throw new UsageError('--mask-value says how to read the mask of a --reference');
  if (args.texts('class').length > 1 && args.text('reference') !== undefined)
    throw new UsageError('--reference is the example of one class: give --class once');
  const engines = engineSettings(args);
  const shard = shardOf(args.text('shard'));
  const overlays = overlayFolder(args.text('save-overlays'), targets);
  const request = batchRequest(args, context, targets, shard);
  const progress = new ProgressLine(context);
  try {
    let engine!: EnginePool;
    const { job } = await prepareBatch(request, async (models) => {
      progress.begin('Loading the models and learning the reference...');
      engine = await context.startEngines({ ...engines, ...models });
      return engine;
    });
    const { root, project } = job;
    const reporter = new Reporter(context, engine, {
      root,
      overlays,
      classes: project.classes,
      json: args.flag('json'),
    });
    const summary = await runBatch(job, {
      signal: context.signal,
      onNote: (note) => {
        progress.clear();
        context.err(`Note: ${note}`);
      },
      onProgress: (now) => progress.update(now),
      onImage: async (report) => {
        if (report.outcome === 'failed') progress.clear();
        await reporter.image(report);
      },
    });
    progress.clear();
    reporter.summary(summary);
    if (summary.cancelled) return EXIT.cancelled;
    return summary.failed > 0 ? EXIT.someFailed : EXIT.done;
  } finally {
    progress.clear();
  }
}

function batchRequest(
  args: Arguments,
  context: CommandContext,
  targets: BatchRequest['targets'],
  shard: Shard | undefined,
): BatchRequest {
  return {
    targets,
    settings: {
      ...chosenStrategy(args),
      encoder: args.text('encoder'),
      segmenter: args.text('segmenter'),
      maskFolder: args.text('out'),
      bands: chosenBands(args),
    },
    grants: new MaskFolderGrants(context.home),
    reference: {
      image: args.text('reference'),
      mask: args.text('mask'),
      manner: maskManner(args),
      classNames: args.texts('class'),
      keepOthers: args.flag('add'),
    },
    overwrite: overwritePolicy(args),
    learnFrom: learnFrom(args),
    ...againBelow(args),
    signal: context.signal,
    ...(shard && { shard }),
  };
}

/** Masks of this run that are named at the end for a person to look at first, and the trust below which one is. */
const NAMED = 5;
const DOUBTFUL = 0.5;

/** As many judged images say something of the reference. */
const ENOUGH = 8;

/** Results as they come, and the last words. */
class Reporter {
  /** The least trusted masks, lowest first. */
  private doubtful: { readonly name: string; readonly trust: number }[] = [];
  /** Of all images that were judged. */
  private readonly trusts: number[] = [];

  constructor(
    private readonly context: CommandContext,
    private readonly engine: EnginePool,
    private readonly options: {
      readonly root: string;
      /** Absolute. */
      readonly overlays: string | undefined;
      readonly classes: readonly ProjectClass[];
      readonly json: boolean;
    },
  ) {}

  async image(report: ImageReport): Promise<void> {
    const { image, outcome, message, classes } = report;
    if (outcome === 'failed') this.context.err(`Failed: ${message}`);
    await this.overlay(report);
    for (const one of classes) {
      const { result } = one;
      if (result?.trust !== undefined) this.trusts.push(result.trust);
      const trust = one.outcome === 'done' ? result?.trust : undefined;
      if (trust !== undefined && trust < DOUBTFUL) {
        const name = classes.length > 1 ? `${image}, ${this.nameOf(one.classId)}` : image;
        this.doubtful = [...this.doubtful, { name, trust }].sort((a, b) => a.trust - b.trust).slice(0, NAMED);
      }
      if (this.options.json) this.context.out(JSON.stringify(this.row(report, one)));
    }
  }

  /** One object per image and class. */
  private row({ image, mask, message }: ImageReport, { classId, outcome, result }: ClassReport): object {
    const about = result && {
      trust: result.trust ?? null,
      trustParts: result.trustParts ?? null,
      iouPrediction: result.iouPrediction ?? null,
      instances: result.instances.map((one) => ({
        area: runArea(one.mask),
        iouPrediction: one.iouPrediction,
        trust: one.trust ?? null,
      })),
      milliseconds: Math.round(result.times.total),
      notes: result.notes,
    };
    const written = outcome === 'failed' || outcome === 'absent' ? null : mask;
    return { image, class: this.nameOf(classId), mask: written, outcome, ...(message && { message }), ...about };
  }

  /** Draws what this run labelled: all its classes in one picture. */
  private async overlay({ image, classes, window, bands }: ImageReport): Promise<void> {
    const { err, signal } = this.context;
    const { root, overlays } = this.options;
    if (overlays === undefined || signal.aborted) return;
    const layers = classes.flatMap(({ classId, result }) => {
      if (result === undefined) return [];
      const { colour } = this.options.classes.find(({ id }) => id === classId)!;
      return [{ mask: result.mask, prompts: result.prompts, colour }];
    });
    if (layers.length === 0) return;
    const output = path.join(overlays, `${image}.overlay.png`);
    try {
      const shown = { ...(window && { window }), ...(bands && { bands }) };
      await this.engine.saveOverlay({ image: path.join(root, image), output, layers, ...shown });
    } catch (error) {
      // The mask is safe; a picture of it is no reason to stop.
      if (!(error instanceof UserError)) throw error;
      err(`Warning: ${error.message}`);
    }
  }

  private nameOf(classId: number): string {
    return this.options.classes.find(({ id }) => id === classId)!.name;
  }

  summary(summary: BatchSummary): void {
    const { skipped, seconds, cancelled, nested, brokenLines } = summary;
    const say = this.options.json ? this.context.err : this.context.out;
    say(`${cancelled ? 'Cancelled: ' : ''}${countsText(summary)} in ${duration(seconds)}.`);
    if (this.doubtful.length > 0) {
      say(
        `Look first at: ${this.doubtful.map(({ name, trust }) => `${name} (trust ${trust.toFixed(2)})`).join(', ')}.`,
      );
    }
    const meanTrust = this.trusts.reduce((sum, value) => sum + value, 0) / this.trusts.length;
    if (this.trusts.length >= ENOUGH && meanTrust < DOUBTFUL) {
      say(
        `The images are hardly like the reference (mean trust ${meanTrust.toFixed(2)}): "ap-medsam suggest" names one that is worth labelling.`,
      );
    }
    if (cancelled) say('Run the same command again to go on.');
    if (this.options.overlays !== undefined && skipped > 0) say('Overlays are drawn only of what this run labelled.');
    for (const folder of nested) say(`Left out: ${folder} is a project of its own.`);
    if (brokenLines > 0) say(`Left out: damaged lines of the journal (${brokenLines}), as a crash may leave them.`);
  }
}

/** Pictures among the images would be labelled by the next run. */
function overlayFolder(given: string | undefined, targets: readonly string[]): string | undefined {
  if (given === undefined) return undefined;
  const folder = path.resolve(given);
  const inside = targets.find((target) => !path.relative(target, folder).startsWith('..'));
  if (inside === undefined) return folder;
  throw new UsageError(`--save-overlays ${folder} lies in ${inside}, which is being labelled: choose another folder`);
}

function overwritePolicy(args: Arguments): OverwritePolicy {
  const policy = args.text('overwrite');
  if (policy === 'replace-auto' || policy === 'skip') return policy;
  throw new UsageError(`--overwrite should be replace-auto or skip, got "${policy}"`);
}

function learnFrom(args: Arguments): LearnFrom {
  const what = args.text('learn-from');
  if (what === 'reviewed' || what === 'references') return what;
  throw new UsageError(`--learn-from should be reviewed or references, got "${what}"`);
}

function againBelow(args: Arguments): Pick<BatchRequest, 'againBelow'> {
  const text = args.text('again-below');
  if (text === undefined) return {};
  if (args.text('overwrite') === 'skip')
    throw new UsageError('--again-below makes masks anew, which --overwrite skip forbids');
  const below = Number(text);
  // Number('') is 0.
  if (text.trim() !== '' && below >= 0 && below <= 1) return { againBelow: below };
  throw new UsageError(`--again-below should be a trust from 0 to 1, such as 0.7, got "${text}"`);
}

function shardOf(text: string | undefined): Shard | undefined {
  if (text === undefined) return undefined;
  const [, index, count] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (index >= 1 && index <= count) return { index, count };
  throw new UsageError(`--shard should be i/n with i from 1 to n, such as 2/8, got "${text}"`);
}
