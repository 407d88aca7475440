/** `ap-medsam export`: labels for a trainer. */
import path from 'node:path';
import { exportFolder } from '../dataset/exportFolder';
import { findRoot } from '../dataset/files/folder';
import { loadProject } from '../dataset/project/project';
import { datasetFormats } from '../formats/datasets';
import { type LabelState, labelStates } from '../formats/datasets/datasetFormat';
import { type Arguments, type Command, type CommandContext, EXIT, UsageError } from './command';
import { jsonOption } from './options';
import { ProgressLine } from './progress';

const formats = Object.keys(datasetFormats);

export const exportLabels: Command = {
  name: 'export',
  summary: 'write the labels of a folder in a format that trainers read',
  usage: '<folder or image>... --format <name> --out <new folder> [options]',
  description: [
    'Writes what is drawn in the masks, with its state and trust, into a new folder; images and masks stay as they are, and nothing is written over. File names in it are relative to the folder that holds ".apmedsam".',
    ...formats.map((name) => `${name}: ${datasetFormats[name].summary}.`),
    'An image without a mask is left out: nobody has labelled it, or nothing was found in it. One whose mask a person has wiped is exported empty.',
  ],
  options: {
    format: { value: 'name', help: `one of ${formats.join(', ')}` },
    out: { value: 'folder', help: 'the folder to make; it must not be there yet, or be empty' },
    states: {
      value: 'list',
      help: `whose labels, separated by commas: ${labelStates.join(', ')}`,
      default: labelStates.join(','),
    },
    json: jsonOption,
  },
  takesFiles: true,
  examples: [
    'ap-medsam export images --format coco --out exported',
    'ap-medsam export images --format coco --out checked --states accepted,edited,reference',
  ],
  run,
};

async function run(args: Arguments, context: CommandContext): Promise<number> {
  const targets = args.positionals.map((target) => path.resolve(target));
  const name = args.text('format');
  const out = args.text('out');
  if (targets.length === 0) throw new UsageError('name the folder to export');
  if (out === undefined) throw new UsageError('name the new folder with --out');
  if (name === undefined || !Object.hasOwn(datasetFormats, name)) {
    throw new UsageError(
      `--format should be one of ${formats.join(', ')}, got ${name === undefined ? 'none' : `"${name}"`}`,
    );
  }
  const states = chosenStates(args.text('states')!);
  const root = await findRoot(targets[0]);
  const project = await loadProject(root);
  if (project === null) throw new UsageError(`${root} has no labels yet: label it with "ap-medsam segment" first`);
  const progress = new ProgressLine(context);
  const report = await exportFolder({
    root,
    project,
    targets,
    format: datasetFormats[name],
    output: path.resolve(out),
    states,
    signal: context.signal,
    onProgress: (done, total) => progress.begin(`Exporting: ${done} of ${total} images`),
  }).finally(() => progress.clear());
  const { images, classes, unlabelled, failures } = report;
  for (const { message } of failures) context.err(`Failed: ${message}`);
  if (args.flag('json')) context.out(JSON.stringify({ images, classes, unlabelled, failed: failures.length }));
  else {
    const rest = unlabelled > 0 ? `; ${unlabelled} without such a mask were left out` : '';
    context.out(`Exported ${images} ${images === 1 ? 'image' : 'images'} to ${path.resolve(out)}${rest}.`);
  }
  return failures.length > 0 ? EXIT.someFailed : EXIT.done;
}

function chosenStates(list: string): ReadonlySet<LabelState> {
  const known: readonly string[] = labelStates;
  const states = list.split(',').map((state) => state.trim());
  const stray = states.find((state) => !known.includes(state));
  if (stray !== undefined) throw new UsageError(`--states knows ${labelStates.join(', ')}, got "${stray}"`);
  return new Set(states as LabelState[]);
}
