/** What the command line prints, to whom, and how it ends when nobody takes it. */
import { openSync } from 'node:fs';
import { cp, mkdir, truncate } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { printable } from '../../src/cli/printable';
import { outcomes, QUICK, readLabels, referenceArgs, rowsOf, sampleImage, Workshop } from './runCli';

const workshop = new Workshop();

/** Several runs, on a machine that may be busy. */
const LONG = { timeout: 180_000 };

describe('printable', () => {
  it.each([
    ['plain, with ümläuts, 图像 and \\', 'plain, with ümläuts, 图像 and \\'],
    ['a\u001b[2J\u0007b\u009b31m', 'a\\u001b[2J\\u0007b\\u009b31m'],
    ['two\nlines\r\tand', 'two\\nlines\\r\\tand'],
    ['gnp\u202e.exe', 'gnp\\u202e.exe'],
  ])('%j', (text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  it('leaves JSON what it means', () => {
    const row = { image: 'a\u001b[2J\n\u009b\u202e".png' };
    expect(JSON.parse(printable(JSON.stringify(row)))).toEqual(row);
  });
});

describe.skipIf(process.platform === 'win32')('a run', () => {
  it('goes on past a damaged deep image, whose name does not steer the terminal', async () => {
    const { root } = await workshop.crowd(2);
    const name = 'cut\u001b[31m\n\u202e.png';
    const deep = path.join(root, 'images', name);
    await sharp(sampleImage(1)).resize(160).toColourspace('rgb16').png().toFile(deep);
    await truncate(deep, 3000);
    const run = await workshop.run(['segment', 'images', ...referenceArgs(1), ...QUICK, '--json'], { cwd: root });
    expect(run.code, run.stderr).toBe(1);
    const rows = rowsOf(run);
    expect(outcomes(rows)).toEqual({ done: 2, failed: 1 });
    expect(rows.get(`images/${name}`)).toMatchObject({ outcome: 'failed' });
    expect(run.stderr).toMatch(/^Failed: .*cut\\u001b\[31m\\n\\u202e\.png is .*$/m);
    const lines = `${run.stderr}${run.stdout}`.split('\n');
    expect(lines.map(printable)).toEqual(lines);
  });

  it('whose reader has seen enough ends quietly, with whole masks, and goes on the next time', LONG, async () => {
    const { root, images } = await workshop.crowd(5);
    const args = ['segment', 'images', ...referenceArgs(1), ...QUICK, '--json'];
    const run = workshop.start(args, { cwd: root });
    await run.labelled(1);
    run.stopReading();
    const { code, stderr } = await run.ended;
    expect({ code, stderr: stderr.replace(/^(Note|Cancelled|Run the same): ?.*\n/gm, '') }).toMatchObject({
      code: 141,
    });
    expect(stderr).not.toMatch(/Error|EPIPE|^\s+at /m);
    const again = await workshop.run(args, { cwd: root });
    expect(again.code, again.stderr).toBe(0);
    const counts = outcomes(rowsOf(again));
    expect(counts.skipped).toBeGreaterThanOrEqual(1);
    expect(counts.skipped! + (counts.done ?? 0)).toBe(5);
    for (const image of images) await readLabels(path.join(root, image.replace(/^images/, 'masks')));
  });

  it.skipIf(process.platform !== 'linux')('whose output does not fit on the disk says so in one sentence', async () => {
    const run = await workshop.run(['models', 'list'], { stdout: openSync('/dev/full', 'w') });
    expect(run).toMatchObject({ code: 2, stderr: 'ap-medsam: The results cannot be written: the disk is full.\n' });
  });

  it('that is interrupted while it starts is cancelled, whatever it was at', LONG, async () => {
    const { root } = await workshop.crowd(1);
    const ends = await Promise.all(
      [60, 150, 250, 400, 700, 1200, 2000].map(async (milliseconds) => {
        const folder = path.join(root, `after-${milliseconds}`);
        await mkdir(path.join(folder, 'images'), { recursive: true });
        await cp(sampleImage(2), path.join(folder, 'images', 'a.png'));
        const run = workshop.start(['segment', 'images', ...referenceArgs(1), ...QUICK], { cwd: folder, group: true });
        await sleep(milliseconds);
        run.killGroup('SIGINT');
        return await run.ended;
      }),
    );
    for (const { code, signal, stdout, stderr } of ends) {
      // Before Node itself has started, the signal ends it, which a shell calls 130 as well. A quick machine may be
      // done before.
      const isDone = code === 0 && /\b1 labelled\b/.test(stdout) && !/Cancelled/.test(stdout);
      if (!isDone) expect(signal === 'SIGINT' ? 130 : code, stderr).toBe(130);
      expect(stderr).not.toMatch(/Error|could not start|^\s+at /m);
    }
  });
});
