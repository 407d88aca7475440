/** The label editor as a person uses it: paint, prompt, undo, save, several editors, reloads, in a real window. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Point } from '../../src/core/geometry';
import { blankLabels, valuesOf } from '../../src/core/pixels/labelMap';
import { decodeMaskPng, encodeMaskPng } from '../../src/formats/maskPng';
import { Drive } from './drive';
import { EditorPage } from './editorPage';
import { describeInVsCode } from './host';

/**
 * When the extension host is killed, in milliseconds after the last edit: VS Code asks for a backup a second after it.
 * `AP_MEDSAM_KILLS` asks for more moments, spread evenly around that.
 */
const KILLS = ((count) => Array.from({ length: count }, (_, i) => 600 + Math.round((900 * (i + 0.5)) / count)))(
  Number(process.env.AP_MEDSAM_KILLS ?? 2),
);

/** Milliseconds after which an edit must survive anything. */
const SAFE_AFTER = 1000;

describeInVsCode('the label editor', () => {
  const drive = new Drive({ samples: [1, 2, 3], size: { width: 1900, height: 1000 } });
  const editor = () => new EditorPage(drive.workbench);
  const mask = async (name: string) => {
    const file = path.join(drive.folder, 'masks', name);
    return decodeMaskPng(await readFile(file), file);
  };
  const foreground = async (name: string) =>
    (await mask(name)).data.reduce((sum, value) => sum + Number(value === 1), 0);

  it('shows an image at once, clean', async () => {
    const { workbench } = drive;
    await editor().open('images/nuclei_01.png');
    await workbench.screenshot('label editor - opened');
    await workbench.untilDirty('nuclei_01.png', false);
  });

  it('paints with the brush, on exactly the pixels under the pointer', async () => {
    const { workbench } = drive;
    await editor().tool('b', 'Brush');
    await editor().drag({ x: 100, y: 100 }, { x: 160, y: 130 });
    await workbench.untilDirty('nuclei_01.png');
    await workbench.page.keyboard.press('Control+s');
    await workbench.untilDirty('nuclei_01.png', false);
    const { data, size } = await mask('nuclei_01.png');
    expect(data[100 * size.width + 100]).toBe(1);
    expect(data[130 * size.width + 160]).toBe(1);
    expect(data[115 * size.width + 130]).toBe(1);
    expect(data[60 * size.width + 100]).toBe(0);
    await workbench.screenshot('label editor - painted');
  });

  it('undoes and redoes with VS Code`s keys, erases, and fills', async () => {
    const { workbench } = drive;
    const painted = await foreground('nuclei_01.png');
    await workbench.page.keyboard.press('Control+z');
    await workbench.untilDirty('nuclei_01.png');
    // VS Code drops a key that comes while it is still undoing: pressed until it has come, which hurts nothing here.
    const pressed = async (key: string) => {
      await workbench.page.keyboard.press(key);
      return editor().share();
    };
    await expect.poll(() => pressed('Control+Shift+z'), { interval: 500 }).toBeGreaterThan(0);
    await workbench.untilDirty('nuclei_01.png', false);
    await editor().tool('x', 'Eraser');
    await editor().drag({ x: 130, y: 100 }, { x: 130, y: 140 });
    await workbench.untilDirty('nuclei_01.png');
    await workbench.page.keyboard.press('Control+s');
    await workbench.untilDirty('nuclei_01.png', false);
    expect(await foreground('nuclei_01.png')).toBeLessThan(painted);
  });

  it('draws a polygon with the keyboard`s F, and a box that the segmenter answers', async () => {
    const { workbench } = drive;
    const before = await foreground('nuclei_01.png');
    await editor().tool('p', 'Polygon');
    for (const [x, y] of [
      [200, 200],
      [240, 200],
      [240, 240],
      [200, 240],
    ]) {
      await editor().click({ x, y });
    }
    await editor().key('f');
    await workbench.untilDirty('nuclei_01.png');
    await workbench.page.keyboard.press('Control+s');
    await workbench.untilDirty('nuclei_01.png', false);
    expect(await foreground('nuclei_01.png')).toBeCloseTo(before + 1600, -2);
    await editor().tool('r', 'Box');
    await editor().drag({ x: 20, y: 20 }, { x: 200, y: 180 });
    await editor()
      .page.getByText(/IoU prediction 0\.\d\d/)
      .first()
      .waitFor();
    await workbench.screenshot('label editor - box');
    await editor().key('Escape');
    await workbench.page.keyboard.press('Control+s');
    await workbench.untilDirty('nuclei_01.png', false);
    expect(await foreground('nuclei_01.png')).toBeCloseTo(before + 1600, -2);
  });

  it('answers a click with pixels, and takes it back with undo', async () => {
    const { workbench } = drive;
    await editor().open('images/nuclei_02.png');
    await editor().tool('q', 'Positive point');
    await editor().click({ x: 180, y: 180 });
    await workbench.untilDirty('nuclei_02.png');
    await expect.poll(() => editor().share()).toBeGreaterThan(0);
    await editor().tool('e', 'Negative point');
    await editor().click({ x: 10, y: 10 });
    await editor().page.getByText('2 points').waitFor();
    await workbench.screenshot('label editor - prompts');
    await workbench.page.keyboard.press('Control+z');
    await editor().page.getByText('1 point ').waitFor();
    const undone = async () => {
      await workbench.page.keyboard.press('Control+z');
      return editor().share();
    };
    await expect.poll(undone, { interval: 500 }).toBe(0);
    await workbench.untilDirty('nuclei_02.png', false);
    expect(await drive.server.logFiles('AP-MedSAM')).toMatch(/click to mask: [\d.]+ ms/);
  });

  it('keeps two editors on one image in step', async () => {
    const { workbench } = drive;
    await workbench.run('View: Split Editor Right');
    const [left, right] = [0, 1].map((n) => new EditorPage(workbench, n));
    await right.canvas.waitFor();
    await left.tool('b', 'Brush');
    await left.drag({ x: 60, y: 60 }, { x: 120, y: 60 });
    await expect.poll(() => left.share()).toBeGreaterThan(0);
    await expect.poll(() => right.share()).toBe(await left.share());
    await workbench.screenshot('label editor - two editors');
    await workbench.page.keyboard.press('Control+z');
    await expect.poll(() => right.share()).toBe(0);
    await workbench.run('View: Close All Editors');
  });

  it('loses nothing when its page or the whole window is loaded again', async () => {
    const { workbench } = drive;
    await editor().open('images/nuclei_02.png');
    await editor().tool('b', 'Brush');
    await editor().drag({ x: 60, y: 60 }, { x: 120, y: 60 });
    await workbench.untilDirty('nuclei_02.png');
    const share = await editor().share();
    expect(share).toBeGreaterThan(0);
    await workbench.run('Developer: Reload Webviews');
    await expect.poll(() => editor().share()).toBe(share);
    // A window in a browser keeps which backup belongs to which editor every five seconds, when it is idle, and not at
    // its end as one on a desktop does.
    await workbench.page.waitForTimeout(8000);
    await workbench.reload();
    await workbench.untilDirty('nuclei_02.png');
    await editor().shown();
    await expect.poll(() => editor().share()).toBe(share);
  });

  it(
    'opens again with every edit older than a second, whenever the extension host dies',
    async () => {
      const { workbench, server } = drive;
      await editor().tool('b', 'Brush');
      const dabs: { readonly at: Point; readonly time: number }[] = [];
      const dab = async () => {
        const at = { x: 20 + (dabs.length % 11) * 30, y: 110 + Math.floor(dabs.length / 11) * 30 };
        await editor().click(at);
        dabs.push({ at, time: Date.now() });
      };
      await dab();
      for (const moment of KILLS) {
        for (let i = 0; i < 3; i++) await dab();
        await sleep(dabs.at(-1)!.time + moment - Date.now());
        const killed = Date.now();
        await server.killExtensionHosts();
        await workbench.reload({ atOnce: true });
        await editor().shown();
        await workbench.untilDirty('nuclei_02.png');
        const lost: typeof dabs = [];
        for (const one of dabs) if ((await editor().classAt(one.at)) === '') lost.push(one);
        const ages = lost.map(({ time }) => killed - time);
        if (process.env.AP_MEDSAM_KILLS)
          console.log(
            `killed ${moment} ms after an edit: ${lost.length} of ${dabs.length} edits are lost, made ${ages.join(', ')} ms before`,
          );
        expect(ages.filter((age) => age > SAFE_AFTER)).toEqual([]);
        for (const one of lost) dabs.splice(dabs.indexOf(one), 1);
        await editor().tool('b', 'Brush');
      }
      workbench.problems.length = 0;
      await editor().canvas.click();
      await workbench.page.keyboard.press('Control+s');
      await workbench.untilDirty('nuclei_02.png', false);
      expect(valuesOf(await mask('nuclei_02.png'))).toEqual([1]);
    },
    60_000 * (1 + KILLS.length),
  );

  it('follows a mask that changes on disk while it is clean, and asks before it overwrites one', async () => {
    const { workbench } = drive;
    const other = await readFile(path.join(drive.folder, 'masks', 'nuclei_01.png'));
    const encodedBlank = await encodeMaskPng(blankLabels({ width: 360, height: 360 }), []);
    const file = path.join(drive.folder, 'masks', 'nuclei_02.png');
    const before = await editor().share();
    await writeFile(file, other);
    await expect.poll(() => editor().share(), { timeout: 20_000 }).not.toBe(before);
    await editor().tool('b', 'Brush');
    await editor().drag({ x: 300, y: 300 }, { x: 320, y: 300 });
    await workbench.untilDirty('nuclei_02.png');
    await writeFile(file, encodedBlank);
    await editor()
      .page.getByText(/mask on disk has changed/)
      .waitFor();
    await workbench.page.keyboard.press('Control+s');
    expect(await workbench.dialogButton('Overwrite')).toMatch(/has changed on disk since it was opened/);
    await workbench.untilDirty('nuclei_02.png', false);
    expect(valuesOf(await mask('nuclei_02.png'))).toEqual([1]);
  });
});
