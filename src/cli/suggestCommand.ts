/** `ap-medsam suggest`: which image is worth labelling next. */
import path from 'node:path';
import { findRoot } from '../dataset/files/folder';
import { openProject } from '../dataset/project/setUp';
import { suggestNext } from '../dataset/review/suggestion';
import { type Arguments, type Command, type CommandContext, EXIT, UsageError } from './command';
import { engineOptions, engineSettings, jsonOption } from './options';
import { ProgressLine } from './progress';

export const suggest: Command = {
  name: 'suggest',
  summary: 'name the images most worth labelling next, as another reference or the first one',
  usage: '<folder or image>... [options]',
  description: [
    'Compares the images with each other and with the references, and names those that stand for the most images whose automatic masks are missing or not to be trusted. An image that is like no other comes late: it would help itself alone. Before there is a reference, the most typical image comes first.',
    'Says also which reference is unlike most of the images. Writes nothing to the folder.',
  ],
  options: {
    class: { value: 'name', help: 'class whose references and trust count; default: the only one that has references' },
    count: { value: 'n', help: 'most images to name', default: '5' },
    ...engineOptions,
    json: jsonOption,
  },
  takesFiles: true,
  examples: ['ap-medsam suggest images', 'ap-medsam suggest data/images --count 1 --json'],
  run,
};

async function run(args: Arguments, context: CommandContext): Promise<number> {
  const targets = args.positionals.map((target) => path.resolve(target));
  if (targets.length === 0) throw new UsageError('name the folder or the images to choose from');
  const count = args.count('count')!;
  const engines = engineSettings(args);
  const root = await findRoot(targets[0]);
  const settings = { encoder: args.text('encoder'), segmenter: args.text('segmenter') };
  const project = await openProject(root, settings);
  const engine = await context.startEngines({ ...engines, encoder: project.encoder, segmenter: project.segmenter });
  const progress = new ProgressLine(context);
  const suggestion = await suggestNext({
    engine,
    root,
    project,
    className: args.text('class'),
    targets,
    count,
    signal: context.signal,
    onProgress: (done, total) => progress.begin(`Looking at the images: ${done} of ${total}`),
  }).finally(() => progress.clear());
  const { images, references, failures, looked, total } = suggestion;
  for (const { message } of failures) context.err(`Failed: ${message}`);
  for (const { image, atypicality, isAtypical } of references) {
    if (!isAtypical) continue;
    const share = Math.floor(100 * atypicality);
    context.err(
      `Warning: the reference ${image} is atypical: ${share} % of the images are more like the others than it is.`,
    );
  }
  if (looked < total - failures.length) context.err(`Looked at ${looked} of ${total} images, spread over the folder.`);
  if (args.flag('json')) {
    for (const row of images) context.out(JSON.stringify(row));
  } else if (images.length === 0) {
    context.out('No image would help: all are labelled, or like the references.');
  } else {
    for (const [k, { image, reason }] of images.entries()) context.out(`${k + 1}. ${image}: ${reason}.`);
  }
  return failures.length > 0 ? EXIT.someFailed : EXIT.done;
}
