/**
 * npm run demo: labels both sample sets from one reference each, with the command line a user would type, compares the
 * masks with the known ones, and writes overlay pictures. Everything goes to the folder demo/.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { textTable } from '../src/cli/textTable';
import { dice, iou } from '../src/core/pixels/maskMetrics';
import { type LabelledImage, labelledImages, summarise } from '../src/dataset/evaluate';
import { decodeMaskPng } from '../src/formats/maskPng';
import { readCommandLine } from '../test/commandLine';
import { binaryMaskOf, readMask } from '../test/masks';

readCommandLine({
  command: 'npm run demo --',
  about: 'Labels both sample sets from one reference each and compares; pictures and masks go to the folder demo/.',
  options: {},
});

const repository = path.resolve(__dirname, '..', '..');
const samples = path.join(repository, 'models', 'samples');
const output = path.join(repository, 'demo');

const sets = [
  {
    name: 'nuclei',
    about: 'cell nuclei, fluorescence microscopy (2018 Data Science Bowl / BBBC038, CC0)',
    seen: 'these images no, others of the same kind yes',
  },
  {
    name: 'vertebrae',
    about: 'lumbar vertebrae, MRI T2 (SPIDER, van der Graaf et al., Zenodo 10159290, CC BY 4.0)',
    seen: 'these images no, others of the same kind yes',
  },
];

async function main(): Promise<void> {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output);
  for (const set of sets) {
    const known = await labelledImages(path.join(samples, set.name));
    const [reference] = known;
    const folder = path.join(output, set.name);
    cpSync(path.join(samples, set.name, 'images'), path.join(folder, 'images'), { recursive: true });
    console.log(`\n${set.name}: ${set.about}`);
    label(set.name, reference);
    await compare(set, known);
  }
  const picture = path.join(output, 'overview.png');
  await contactSheet(picture);
  console.log(
    `\nMasks: demo/<set>/masks. Pictures with outline and prompts: demo/<set>/overlays. All at a glance: demo/overview.png.`,
  );
  console.log(
    '"seen": whether the embedded decoder was trained on such images. docs/accuracy.md leads with sets it has not seen.',
  );
}

function label(set: string, reference: LabelledImage): void {
  const folder = path.join('demo', set);
  const args = ['segment', path.join(folder, 'images'), '--reference', path.join(folder, reference.name)];
  args.push('--mask', path.relative(repository, reference.mask), '--save-overlays', path.join(folder, 'overlays'));
  console.log(`$ ap-medsam ${args.join(' ')}`);
  const { status } = spawnSync(process.execPath, [path.join(repository, 'dist', 'cli.js'), ...args], {
    cwd: repository,
    stdio: 'inherit',
    env: { ...process.env, AP_MEDSAM_HOME: path.join(output, 'home') },
  });
  if (status !== 0) process.exit(status ?? 1);
}

async function compare(set: (typeof sets)[number], known: readonly LabelledImage[]): Promise<void> {
  const [reference, ...targets] = known;
  const scores: { dice: number; iou: number }[] = [];
  const rows: string[][] = [];
  for (const target of targets) {
    const file = path.join(output, set.name, 'masks', `${path.parse(target.name).name}.png`);
    const drawn = binaryMaskOf(decodeMaskPng(await readFile(file), file), 1);
    const truth = await readMask(target, 1);
    const score = { dice: dice(drawn, truth), iou: iou(drawn, truth) };
    scores.push(score);
    rows.push([target.name, score.dice.toFixed(3), score.iou.toFixed(3), set.seen]);
  }
  const mean = (of: 'dice' | 'iou') => summarise(scores.map((score) => score[of])).mean.toFixed(3);
  rows.push([`mean of ${targets.length}, from ${reference.name}`, mean('dice'), mean('iou'), set.seen]);
  console.log(`\n${textTable(['image', 'Dice', 'IoU', 'seen'], rows)}`);
}

/** One row per set: the reference's overlay and three of its targets'. */
async function contactSheet(file: string): Promise<void> {
  const side = 320;
  const gap = 8;
  const columns = [1, 2, 4, 7];
  const tiles = await Promise.all(
    sets.flatMap(({ name }, row) =>
      columns.map(async (number, column) => ({
        input: await sharp(path.join(output, name, 'overlays', 'images', `${name}_0${number}.png.overlay.png`))
          .resize(side, side, { fit: 'contain', background: '#000' })
          .toBuffer(),
        left: gap + column * (side + gap),
        top: gap + row * (side + gap),
      })),
    ),
  );
  const size = { width: gap + columns.length * (side + gap), height: gap + sets.length * (side + gap) };
  await sharp({ create: { ...size, channels: 3, background: '#fff' } })
    .composite(tiles)
    .png({ palette: true, quality: 90 })
    .toFile(file);
}

void main();
