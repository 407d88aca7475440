/**
 * A folder through the runner process: the window stays awake, a run can be stopped and goes on, a person's work stays.
 */
import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { changeBetween } from '../../src/core/drawing/labelChange';
import type { FolderProgress, FolderSummary } from '../../src/protocol/runnerApi';
import { api, journalOf, listener, maskOf, until } from './editing';
import { say } from './say';
import { addKnownMask, discard, imageIn, sampleFolder } from './workspace';

describe('Segment Folder', () => {
  let folder: vscode.Uri;
  const job = () => ({ targets: [folder.fsPath], overwrite: 'replace-auto' as const });
  const masks = async () => (await readdir(path.join(folder.fsPath, 'masks'))).filter((name) => name.endsWith('.png'));

  /** Copies of the samples under other names, so that a run takes a while. */
  async function crowd(copies: number): Promise<void> {
    const images = path.join(folder.fsPath, 'images');
    for (const name of await readdir(images)) {
      for (let i = 0; i < copies; i++) await copyFile(path.join(images, name), path.join(images, `copy_${i}_${name}`));
    }
  }

  beforeEach(async () => {
    folder = await sampleFolder([1, 2, 3, 4]);
    await addKnownMask(folder, 1);
    await vscode.commands.executeCommand('apMedSam.useAsReference', imageIn(folder, 1));
  });
  afterEach(() => discard(folder));

  it('labels what has no mask, and leaves alone what a person has made', async () => {
    const before = await readFile(maskOf(folder, 1));
    await vscode.commands.executeCommand('apMedSam.segmentFolder', folder);
    assert.equal((await masks()).length, 4);
    assert.deepEqual(await readFile(maskOf(folder, 1)), before);
    const statuses = new Map(
      (await journalOf(folder)).filter(({ kind }) => kind === 'done').map((l) => [l.image, l.status]),
    );
    assert.deepEqual([...statuses.values()].sort(), ['auto', 'auto', 'auto']);
  });

  it('never holds up the extension host', async () => {
    await crowd(12);
    await (await api()).provider.show(imageIn(folder, 2));
    const { runner } = await api();
    const gapsDuring = async (work: () => Promise<unknown>) => {
      const delay = monitorEventLoopDelay({ resolution: 5 });
      delay.enable();
      await work();
      delay.disable();
      return delay;
    };
    const ms = (nanoseconds: number) => `${(nanoseconds / 1e6).toFixed(0)} ms`;
    const idle = await gapsDuring(() => new Promise((resolve) => setTimeout(resolve, 3000)));
    // The start of the runner process is the extension's own doing, the rest of the folder should not be felt at all.
    let summary: FolderSummary | undefined;
    const busy = await gapsDuring(async () => {
      summary = await runner.labelFolder(job());
    });
    const { done, absent, total, seconds } = summary!;
    assert.ok(done >= 50, `${done} done`);
    say(`extension host at rest: longest gap ${ms(idle.max)}, p99 ${ms(idle.percentile(99))}`);
    say(
      `extension host during ${total} images at ${((done + absent) / seconds).toFixed(1)} images/s: longest gap ${ms(busy.max)}, p99 ${ms(busy.percentile(99))}`,
    );
    assert.ok(busy.max > 0);
  });

  it('stops when it is cancelled, and goes on where it was', async () => {
    await crowd(6);
    const { runner } = await api();
    const stop = new AbortController();
    const onProgress = ({ done }: FolderProgress) => {
      if (done >= 3) stop.abort();
    };
    const first = await runner.labelFolder(job(), { signal: stop.signal, onProgress });
    assert.equal(first.cancelled, true);
    const madeBefore = (await masks()).length;
    assert.ok(madeBefore >= 4 && madeBefore < 28, `${madeBefore} masks`);
    const second = await runner.labelFolder(job());
    assert.equal(second.cancelled, false);
    assert.equal(second.failed, 0);
    assert.ok(second.skipped >= first.done - 1);
    assert.equal((await masks()).length, 28);
  });

  it('is survived by the engine`s death, with one message at most', async () => {
    const { runner } = await api();
    let killed = false;
    const onProgress = () => {
      if (killed || runner.pid === undefined) return;
      killed = true;
      process.kill(runner.pid, 'SIGKILL');
    };
    await crowd(4);
    await assert.rejects(runner.labelFolder(job(), { onProgress }), /ended early because its process did/);
    const again = await runner.labelFolder(job());
    assert.equal(again.failed, 0);
    assert.equal((await masks()).length, 20);
  });

  it('shows its masks in open editors: a clean one follows, one with edits says that the disk differs', async () => {
    const { provider } = await api();
    const clean = await provider.show(imageIn(folder, 2));
    const edited = await provider.show(imageIn(folder, 3));
    const { labels } = edited.image.document;
    const data = labels.data.slice();
    data.fill(1, 0, 50);
    edited.image.paint(listener(), {
      label: 'Brush Stroke',
      change: changeBetween(labels, { size: labels.size, data }),
    });
    await vscode.commands.executeCommand('apMedSam.segmentFolder', folder);
    await until(() => clean.image.document.labels.data.includes(1));
    assert.equal(clean.image.document.dirty, false);
    await until(() => edited.image.facts.changedOnDisk);
    assert.equal(edited.image.document.labels.data.subarray(0, 60).filter((value) => value === 1).length, 50);
  });

  it('takes the mask folder of a new project from the settings', async () => {
    const other = await sampleFolder([5, 6]);
    const settings = vscode.workspace.getConfiguration('apMedSam');
    await settings.update('maskFolder', 'labels', vscode.ConfigurationTarget.Global);
    try {
      await mkdir(path.join(other.fsPath, 'labels'));
      const known = await addKnownMask(other, 5);
      await copyFile(known.fsPath, path.join(other.fsPath, 'labels', 'nuclei_05.png'));
      // A folder called "masks" is one of images here.
      await rm(path.dirname(known.fsPath), { recursive: true });
      await vscode.commands.executeCommand('apMedSam.useAsReference', imageIn(other, 5));
      await vscode.commands.executeCommand('apMedSam.segmentFolder', other);
      assert.deepEqual((await readdir(path.join(other.fsPath, 'labels'))).sort(), ['nuclei_05.png', 'nuclei_06.png']);
    } finally {
      await settings.update('maskFolder', undefined, vscode.ConfigurationTarget.Global);
      await discard(other);
    }
  });
});
