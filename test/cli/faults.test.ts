/**
 * What dies, is interrupted or runs twice: after the last run every mask is whole, made once, and a person's is kept.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { KINDS, soak } from '../soak/kills';
import {
  CROWD_SIDE,
  childrenOf,
  complaint,
  doneCounts,
  type Ended,
  filesIn,
  fingerprint,
  isRunning,
  outcomes,
  QUICK,
  readLabels,
  referenceArgs,
  rowsOf,
  Workshop,
} from './runCli';

const workshop = new Workshop();

const LABEL = ['segment', 'images', ...referenceArgs(1), ...QUICK, '--json'];
const TEMPORARY = '.apmedsam-tmp-';

const maskOf = (root: string, image: string) => path.join(root, image.replace(/^images/, 'masks'));
const isTemporary = (file: string) => path.posix.basename(file).startsWith(TEMPORARY);

/** Processes that are still there after a few seconds in which they should have gone. */
async function stillRunning(pids: readonly number[]): Promise<number[]> {
  for (let waited = 0; waited < 5000 && pids.some(isRunning); waited += 100) await sleep(100);
  return pids.filter(isRunning);
}

/** Every image has a whole mask of its size, and a line that says so, once per run key. */
async function expectAllDone(root: string, images: readonly string[], painted: readonly string[] = []): Promise<void> {
  expect(await filesIn(path.join(root, 'masks'))).toEqual(images.map((image) => image.replace(/^images\//, '')).sort());
  for (const image of images) {
    if (painted.includes(image)) continue;
    const { size, data } = await readLabels(maskOf(root, image));
    expect(size).toEqual({ width: CROWD_SIDE, height: CROWD_SIDE });
    expect(data.some((value) => value === 1)).toBe(true);
    expect(data.every((value) => value <= 1)).toBe(true);
  }
  const counts = await doneCounts(root);
  const labelled = new Set([...counts.keys()].map((key) => key.split(' ')[0]));
  for (const image of images) if (!painted.includes(image)) expect(labelled).toContain(image);
  expect([...counts].filter(([, count]) => count > 1)).toEqual([]);
}

describe.skipIf(process.platform === 'win32')('kill -9', () => {
  it('at every moment, beside a person who works, loses nothing and does nothing twice', {
    timeout: 300_000,
  }, async () => {
    const report = await soak({ rounds: KINDS.length, seed: 2, inOrder: true, images: 24 });
    expect(report.faults).toEqual([]);
    expect(Object.values(report.kills)).toEqual(KINDS.map(() => 1));
    expect(report.painted + report.accepted).toBeGreaterThan(0);
  });

  it('between a mask and its line, or in the middle of a line, costs no second look at the image, and leaves no litter', async () => {
    const { root, images } = await workshop.crowd(3);
    expect((await workshop.run(LABEL, { cwd: root })).code).toBe(0);
    const masks = await fingerprint(path.join(root, 'masks'));
    const journal = path.join(root, '.apmedsam', 'journal', 'batch-1-of-1.jsonl');
    const whole = (await readFile(journal, 'utf8')).trimEnd().split('\n');
    const intents = whole.filter((line) => line.includes('"kind":"intent"'));
    const done = whole.filter((line) => line.includes('"kind":"done"'));
    expect([intents.length, done.length]).toEqual([3, 3]);
    // As a crash leaves them: of the last image the start of its line, of the one before not even that.
    const cut = (bytes: number) => [...intents, done[0], done[2].slice(0, bytes)].join('\n');
    for (const bytes of [0, 40]) {
      await writeFile(journal, cut(bytes));
      const run = await workshop.run(LABEL, { cwd: root });
      expect(run.code, run.stderr).toBe(0);
      expect(outcomes(rowsOf(run))).toEqual({ skipped: 3 });
      await expectAllDone(root, images);
      expect(await fingerprint(path.join(root, 'masks'))).toEqual(masks);
    }

    // Temporary files go as well, once they are old enough to be nobody's.
    const folders = ['masks', 'masks/plate-1', ...['', '/journal', '/locks'].map((folder) => `.apmedsam${folder}`)];
    const plant = (folder: string, name: string) => path.posix.join(folder, `${TEMPORARY}${name}`);
    for (const folder of folders) {
      for (const name of ['4711-old', '4712-new']) await writeFile(path.join(root, plant(folder, name)), 'half a fi');
      await utimes(path.join(root, plant(folder, '4711-old')), 0, 0);
    }
    const again = await workshop.run(LABEL, { cwd: root });
    expect(outcomes(rowsOf(again))).toEqual({ skipped: 3 });
    expect(again.stderr).toContain('Left out: damaged lines of the journal (1), as a crash may leave them.\n');
    expect((await filesIn(root)).filter(isTemporary)).toEqual(
      folders.map((folder) => plant(folder, '4712-new')).sort(),
    );
  });

  it('of the engine in the middle of a run costs nothing but time', async () => {
    const { root, images } = await workshop.crowd(6);
    const run = workshop.start(LABEL, { cwd: root });
    await run.labelled(1);
    const [engine] = childrenOf(run.pid);
    kill(engine);
    const { code, stdout, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    expect(outcomes(rowsOf({ code, stdout, stderr, signal: null }))).toEqual({ done: 6 });
    await expectAllDone(root, images);
    expect(stderr.split('\n').filter((line) => line.startsWith('engine: '))).toEqual([
      expect.stringMatching(
        /^engine: the engine process ended with signal SIGKILL; repeating what it was doing in a new process$/,
      ),
    ]);
  });
});

describe.skipIf(process.platform === 'win32')('Ctrl+C', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    '(%s) ends a run in order, says how to go on, and it goes on',
    async (signal) => {
      const { root, images } = await workshop.crowd(6);
      const run = workshop.start(['segment', 'images', ...referenceArgs(1), ...QUICK], { cwd: root, group: true });
      const journal = path.join(root, '.apmedsam', 'journal', 'batch-1-of-1.jsonl');
      await run.until(async () => existsSync(journal) && (await readFile(journal, 'utf8')).includes('"kind":"done"'));
      const engines = childrenOf(run.pid);
      run.killGroup(signal);
      const { code, stdout, stderr } = await run.ended;
      expect(code, stderr).toBe(130);
      expect(stdout).toMatch(
        /^Cancelled: [1-5] labelled of 6 images in \d+ s\.\nRun the same command again to go on\.\n$/,
      );
      expect(stderr).not.toMatch(/Error|^\s+at /m);
      expect(await stillRunning(engines)).toEqual([]);
      expect((await filesIn(root)).filter((file) => isTemporary(file) || file.endsWith('.lock'))).toEqual([]);

      const labelled = Number(/Cancelled: (\d)/.exec(stdout)![1]);
      const again = await workshop.run(LABEL, { cwd: root });
      expect(again.code).toBe(0);
      expect(outcomes(rowsOf(again))).toEqual({ skipped: labelled, done: 6 - labelled });
      await expectAllDone(root, images);
    },
  );
});

describe('shards', () => {
  const shard = (text: string) => [...LABEL, '--shard', text];

  it('of a folder run at once and together label everything once', async () => {
    const { root, images } = await workshop.crowd(8);
    const runs = await Promise.all(['1/2', '2/2'].map((text) => workshop.run(shard(text), { cwd: root })));
    const labelled = runs.map((run) => {
      expect(run.code, run.stderr).toBe(0);
      return [...rowsOf(run).keys()];
    });
    expect(labelled.every((part) => part.length > 0)).toBe(true);
    expect(labelled.flat().sort()).toEqual(images);
    await expectAllDone(root, images);
    expect((await readdir(path.join(root, '.apmedsam', 'journal'))).sort()).toEqual([
      'batch-1-of-2.jsonl',
      'batch-2-of-2.jsonl',
    ]);
    // The whole folder without shards finds nothing left to do.
    const whole = await workshop.run(LABEL, { cwd: root });
    expect(outcomes(rowsOf(whole))).toEqual({ skipped: 8 });
  });

  it.skipIf(process.platform === 'win32')(
    'are refused twice, and another split beside them, naming who is there',
    async () => {
      const { root, images } = await workshop.crowd(6);
      const lock = path.join(root, '.apmedsam', 'locks', 'shard-1-of-2.lock');
      const holder = workshop.start(shard('1/2'), { cwd: root });
      await holder.until(() => existsSync(lock));
      // Stopped, so that it is still there when the others come, however busy the machine is.
      holder.kill('SIGSTOP');
      const [same, whole, other] = await Promise.all(
        [shard('1/2'), LABEL, shard('2/2')].map((args) => workshop.run(args, { cwd: root })),
      );
      const who = String.raw`process ${holder.pid} on \S+ since \d{4}-\d\d-\d\dT[\d:.]+Z`;
      expect(complaint(same)).toMatch(new RegExp(`^Shard 1/2 of ${root} is already being processed by ${who}\\.$`));
      expect(complaint(whole)).toMatch(
        new RegExp(`^${root} is being processed in 2 shards by ${who}: wait for it, or split it the same way\\.$`),
      );
      expect(other.code, other.stderr).toBe(0);
      holder.kill('SIGCONT');
      const held: Ended = await holder.ended;
      expect(held.code, held.stderr).toBe(0);
      expect([...rowsOf(held).keys(), ...rowsOf(other).keys()].sort()).toEqual(images);
      await expectAllDone(root, images);
      expect(await readdir(path.dirname(lock))).toEqual([]);
    },
  );
});

/** A process that has just ended by itself needs no kill. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
