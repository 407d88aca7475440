/** The cases: what another file system does to a folder of images, on the package for Windows. */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dice } from '../../src/core/pixels/maskMetrics';
import { labelledImages } from '../../src/dataset/evaluate';
import { decodeMaskPng } from '../../src/formats/maskPng';
import { binaryMaskOf, readMask } from '../masks';
import { repository } from '../vscode/install';
import { type Bed, copyOf, equal, journalOf, masksOf, requireMasks, requireOutcomes, samples, written } from './bed';
import { windowsPath } from './wine';

export interface Case {
  readonly name: string;
  /** What holds. */
  readonly title: string;
  /** Throws where it does not; says what was measured. */
  run(bed: Bed): Promise<string>;
}

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `images/well-${String(i).padStart(2, '0')}.png`);

const images = (root: string): string => windowsPath(path.join(root, 'images'));

/** Mean Dice of both systems may differ by what another order of additions in their runtimes makes. */
const DICE_TOLERANCE = 0.005;

const HELD = 40;

export const cases: readonly Case[] = [
  {
    name: 'demo',
    title: 'both sample sets from one reference each, near what Linux makes of them',
    async run(bed) {
      const told: string[] = [];
      for (const set of ['nuclei', 'vertebrae']) {
        const known = await labelledImages(path.join(samples, set));
        const args = (folder: string, name: (file: string) => string) => [
          ...['segment', name(path.join(folder, 'images')), '--reference', name(path.join(folder, known[0].name))],
          ...['--mask', name(known[0].mask)],
        ];
        const roots = [await copyOf(set, await bed.newFolder()), await copyOf(set, await bed.newFolder())];
        const onWindows = await bed.wine.startCommand(args(roots[0], windowsPath)).ended;
        const onLinux = await bed.linuxCommand(args(roots[1], (file) => file));
        for (const { code, stderr } of [onWindows, onLinux]) equal(code, 0, stderr.trim());
        const means = [];
        for (const root of roots) means.push(await meanDice(root, known.slice(1)));
        const [windows, linux] = means;
        told.push(`${set} ${windows.toFixed(4)} (Linux ${linux.toFixed(4)})`);
        if (Math.abs(windows - linux) > DICE_TOLERANCE) throw new Error(`too far apart: ${told.join(', ')}`);
      }
      return `mean Dice: ${told.join(', ')}`;
    },
  },
  {
    name: 'held',
    title: 'a second program opens each new mask without sharing for 0.2 to 3 s: every image is labelled',
    async run(bed) {
      const root = await bed.folderOf(numbered(HELD));
      const first = await whileHolding(bed, root, 'once', () => bed.onWindows(images(root)));
      requireOutcomes(first.run, { done: HELD });
      // A mask may have been replaced in between, and held twice; none may have escaped.
      equal(new Set(first.held).size, HELD, 'masks held');
      requireMasks(await written(root), HELD);
      return `${HELD} done, 0 failed; ${first.held.length} times held`;
    },
  },
  {
    name: 'held-again',
    title: 'masks that are held again and again while a run replaces them are all replaced',
    async run(bed) {
      const count = 16;
      const root = await bed.folderOf(numbered(count));
      requireOutcomes(await bed.onWindows(images(root)), { done: count });
      const before = await written(root);
      const second = await whileHolding(bed, root, 'again', () => bed.onWindows(images(root), [], 2));
      requireOutcomes(second.run, { done: count });
      const after = await written(root);
      requireMasks(after, count);
      const same = masksOf(after).filter((name) => after.get(name)!.equals(before.get(name)!));
      return `${count} replaced, ${second.held.length} times held, ${same.length} with the same content as before`;
    },
  },
  {
    name: 'names',
    title: 'capitals, reserved names, spaces and dots at the end, umlauts: each image has its own mask, once',
    async run(bed) {
      const names = ['Scan.PNG', 'aux.png', 'con.v2.png', 'sub dir/ä ö #1 100%.png', 'plate 1./well .png', 'a.b.c.png'];
      const root = await bed.folderOf(names.map((name) => `images/${name}`));
      requireOutcomes(await bed.onWindows(images(root)), { done: names.length });
      const files = await written(root);
      equal(masksOf(files), names.map((name) => `masks/${name.replace(/\.png$/i, '.png')}`).sort(), 'masks');
      requireMasks(files, names.length);
      requireOutcomes(await bed.onWindows(images(root)), { skipped: names.length });
      return `${names.length} images`;
    },
  },
  {
    name: 'spelling',
    title: 'a folder, an image or a mask folder named with other capitals is the same one',
    async run(bed) {
      const root = await bed.folderOf(['images/Scan.png', 'images/b.png']);
      requireOutcomes(await bed.onWindows(images(root)), { done: 2 });
      const upper = windowsPath(path.join(path.dirname(root), path.basename(root).toUpperCase(), 'IMAGES'));
      requireOutcomes(await bed.onWindows(upper), { skipped: 2 });
      requireOutcomes(await bed.onWindows(windowsPath(path.join(root, 'images', 'SCAN.PNG'))), { skipped: 1 });
      // Masks are no images, however the folder that holds them is called.
      const out = ['--out', windowsPath(path.join(root, 'MASKS'))];
      requireOutcomes(await bed.onWindows(windowsPath(root), out), { skipped: 2 });
      const files = await written(root);
      equal(masksOf(files), ['masks/Scan.png', 'masks/b.png'], 'masks');
      equal((await readdir(root)).sort(), ['.apmedsam', 'images', 'masks'], 'folders');
      return 'nothing to do, three times';
    },
  },
  {
    name: 'long',
    title: 'paths of more than 260 characters',
    async run(bed) {
      const folder = path.join(await bed.newFolder(), ...Array.from({ length: 5 }, (_, i) => `${i}`.repeat(60)));
      const root = await bed.folderOf(numbered(3), folder);
      requireOutcomes(await bed.onWindows(images(root)), { done: 3 });
      requireMasks(await written(root), 3);
      requireOutcomes(await bed.onWindows(images(root)), { skipped: 3 });
      return `${path.join(root, 'masks', 'well-00.png').length} characters`;
    },
  },
  {
    name: 'drives',
    title: 'a project at the root of a drive; the same by its network path, and from another drive',
    async run(bed) {
      const root = await bed.folderOf(numbered(3));
      const { drive, release } = await bed.wine.mapDrive(root);
      const share = await bed.wine.share(root, path.basename(root));
      try {
        requireOutcomes(await bed.onWindows(`${drive}\\`), { done: 3 });
        requireMasks(await written(root), 3);
        requireOutcomes(await bed.onWindows(`${drive}\\images\\well-01.png`), { skipped: 1 });
        requireOutcomes(await bed.onWindows(`${share.unc}\\images`), { skipped: 3 });
        requireOutcomes(await bed.onWindows(images(root)), { skipped: 3 });
        const elsewhere = await bed.newFolder();
        const out = ['--out', windowsPath(path.join(elsewhere, 'masks'))];
        requireOutcomes(await bed.onWindows(`${drive}\\images`, out), { done: 3 });
        requireMasks(await written(elsewhere), 3);
        return `${drive}\\, ${share.unc.slice(0, 9)}..., Z:\\`;
      } finally {
        await release();
        await share.release();
      }
    },
  },
  {
    name: 'line-ends',
    title: 'what Git or an editor on Windows makes of the text files of a project is still read',
    async run(bed) {
      const root = await bed.folderOf(numbered(3));
      requireOutcomes(await bed.onLinux(path.join(root, 'images')), { done: 3 });
      const files = await written(root);
      for (const [name, bytes] of files) {
        if (!/\.jsonl?$/.test(name)) continue;
        const text = bytes.toString('utf8').replaceAll('\n', '\r\n');
        await writeFile(path.join(root, name), `\ufeff${text}`);
      }
      const run = await bed.onWindows(images(root));
      requireOutcomes(run, { skipped: 3 });
      if (/damaged lines|not valid/.test(run.stderr)) throw new Error(run.stderr);
      return 'CRLF and a byte order mark in every text file';
    },
  },
  {
    name: 'two-systems',
    title: 'a project passes Linux, Windows and Linux again without a line lost',
    async run(bed) {
      const names = numbered(8);
      const root = await bed.folderOf(names.slice(0, 4));
      // In the project, so that it is the same on both.
      const reference = await bed.referenceIn(root);
      requireOutcomes(await bed.onLinux(path.join(root, 'images'), reference, null), { done: 4 });
      const linux = await written(root);
      // A person has accepted one of them there.
      const [line] = journalOf(linux).filter(({ kind, image }) => kind === 'done' && image === names[1]);
      const accepted = { ...line, status: 'accepted', run: null, time: new Date().toISOString() };
      await writeFile(path.join(root, '.apmedsam/journal/person-1.jsonl'), `${JSON.stringify(accepted)}\n`);
      const before = await written(root);
      await bed.folderOf(names, root);
      requireOutcomes(await bed.onWindows(images(root), [], null), { kept: 1, skipped: 3, done: 4 });
      const windows = await written(root);
      requireMasks(windows, 8);
      for (const [name, bytes] of before) {
        if (name.endsWith('.lock')) continue;
        const now = windows.get(name);
        const isKept = name.endsWith('.jsonl') ? now?.subarray(0, bytes.length).equals(bytes) : now?.equals(bytes);
        if (!isKept) throw new Error(`${name} is not what it was on Linux`);
      }
      // A backslash in a name would be two in the line.
      const lines = journalOf(windows).map((line) => JSON.stringify(line));
      for (const line of lines) if (line.includes('\\\\')) throw new Error(`stored as ${line}`);
      requireOutcomes(await bed.onLinux(path.join(root, 'images'), [], null), { kept: 1, skipped: 7 });
      requireOutcomes(await bed.onWindows(images(root), [], null), { kept: 1, skipped: 7 });
      // The other way round: what Windows has made anew is as good on Linux.
      requireOutcomes(await bed.onWindows(images(root), [], 2), { kept: 1, done: 7 });
      requireOutcomes(await bed.onLinux(path.join(root, 'images'), [], 2), { kept: 1, skipped: 7 });
      const alone = await bed.folderOf(names);
      const alike = await bed.referenceIn(alone);
      requireOutcomes(await bed.onLinux(path.join(alone, 'images'), alike, null), { done: 8 });
      const other = await written(alone);
      const same = masksOf(other).filter((name) => other.get(name)!.equals(windows.get(name)!));
      const last = journalOf(await written(root));
      return `${last.length} journal lines; ${same.length} of 8 masks byte for byte what Linux alone makes`;
    },
  },
  {
    name: 'killed',
    title: 'a run that is killed goes on where it was',
    async run(bed) {
      const count = 24;
      const root = await bed.folderOf(numbered(count));
      const reference = ['--reference', images(root).concat('\\well-00.png')];
      const mask = path.join(root, 'reference.png');
      requireOutcomes(await bed.onWindows(windowsPath(path.join(root, 'images', 'well-00.png'))), { done: 1 });
      await rename(path.join(root, 'masks', 'well-00.png'), mask);
      let kills = 0;
      for (const enough of [4, 10]) {
        const run = bed.startOnWindows([images(root), ...reference, '--mask', windowsPath(mask)]);
        const isOver = run.ended.then(() => true);
        while ((await masksIn(root)) < enough) {
          if (await Promise.race([isOver, sleep(20)])) throw new Error((await run.ended).stderr);
        }
        run.process.kill('SIGKILL');
        await run.ended;
        kills++;
      }
      const done = await masksIn(root);
      const rest = bed.startOnWindows([images(root), ...reference, '--mask', windowsPath(mask)]);
      const { code, stderr, stdout } = await rest.ended;
      equal(code, 0, stderr.trim());
      equal(stdout.trim().split('\n').length, count, 'rows');
      const files = await written(root);
      requireMasks(files, count);
      return `killed ${kills} times, ${done} of ${count} masks were there`;
    },
  },
];

async function masksIn(root: string): Promise<number> {
  const names = await readdir(path.join(root, 'masks')).catch(() => []);
  return names.filter((name) => !name.startsWith('.')).length;
}

async function meanDice(root: string, known: Awaited<ReturnType<typeof labelledImages>>): Promise<number> {
  const scores: number[] = [];
  for (const target of known) {
    const file = path.join(root, 'masks', `${path.parse(target.name).name}.png`);
    const drawn = binaryMaskOf(decodeMaskPng(await readFile(file), file), 1);
    scores.push(dice(drawn, await readMask(target, 1)));
  }
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

/**
 * Runs something while a second program holds the masks of a root; also the name of each file that was held, each time.
 */
async function whileHolding<T>(bed: Bed, root: string, how: 'once' | 'again', work: () => Promise<T>) {
  const masks = path.join(root, 'masks');
  await mkdir(masks, { recursive: true });
  const stop = path.join(await bed.newFolder(), 'stop');
  const script = path.join(repository, 'test', 'windows', 'holder.cjs');
  const holder = bed.wine.startScript(script, [windowsPath(masks), windowsPath(stop), how]);
  let run: T;
  try {
    run = await work();
  } finally {
    await writeFile(stop, '');
  }
  const { code, stdout, stderr } = await holder.ended;
  equal(code, 0, stderr.trim());
  const left = (await readdir(masks)).filter((name) => name.startsWith('.'));
  equal(left, [], 'left behind');
  return {
    run,
    held: stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  };
}
