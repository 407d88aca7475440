/** What the command line and the editor do alike before a batch. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { type BatchJob, runBatch } from '../../src/dataset/batch/batch';
import { type BatchRequest, prepareBatch } from '../../src/dataset/batch/batchSetUp';
import { MaskFolderGrants } from '../../src/dataset/files/maskFolderGrants';
import { loadProject } from '../../src/dataset/project/project';
import { makeReference } from '../../src/dataset/project/reference';
import { sha256File } from '../../src/disk/hashing';
import { encodeMaskPng } from '../../src/formats/maskPng';
import type { EngineInfo } from '../../src/protocol/engineApi';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';
import { CLASSES, exists, FakeEngine, labels, projectOf, put, putImages, temporaryFolder } from './fixtures';

vi.mock('../../src/disk/hashing', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/disk/hashing')>();
  return { ...original, sha256File: vi.fn(original.sha256File) };
});

const TOP = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];

class InformedEngine extends FakeEngine {
  async info(): Promise<EngineInfo> {
    const [encoder, segmenter] = ['encoder', 'segmenter'].map((id) => ({ id, sha256: id }));
    return { device: 'cpu', encoder, segmenter } as EngineInfo;
  }
}

/** Two images, and a mask of the first one in the mask folder. */
async function newRoot(): Promise<string> {
  const root = join(await temporaryFolder(), 'root');
  await mkdir(root);
  await putImages(root, ['a.png', 'b.png']);
  await put(join(root, 'masks', 'a.png'), encodeMaskPng(labels(TOP), CLASSES));
  return root;
}

const requestOf = (root: string, image?: string): BatchRequest => ({
  targets: [root],
  grants: new MaskFolderGrants(null),
  reference: { image, mask: undefined, classNames: [] },
  overwrite: 'replace-auto',
});

describe('prepareBatch', () => {
  it('makes a job that labels the folder, and reads the reference once for both', async () => {
    const root = await newRoot();
    const engine = new InformedEngine();
    const inspect = vi.spyOn(engine, 'inspectImage');
    const starts: unknown[] = [];
    const start = (models: unknown) => {
      starts.push(models);
      return engine;
    };
    const reference = join(root, 'a.png');
    const { job, device } = await prepareBatch(requestOf(root, reference), start);
    expect(starts).toEqual([{ encoder: 'embedded', segmenter: 'embedded' }]);
    expect(device).toBe('cpu');
    expect(await loadProject(root)).toEqual(job.project);
    vi.mocked(sha256File).mockClear();
    expect(await runBatch(job)).toMatchObject({ done: 1, kept: 1, total: 2 });
    const inspected = inspect.mock.calls.map(([{ image }]) => image);
    expect(inspected.filter((image) => image === reference)).toHaveLength(1);
    expect(vi.mocked(sha256File).mock.calls.map(([path]) => path)).not.toContain(reference);
  });

  it('starts no engine where something is missing, and says what in the words of its caller', async () => {
    const root = await newRoot();
    const start = vi.fn();
    expect(await refusal(prepareBatch(requestOf(root), start))).toBe(
      `${root} has no reference yet: give one with --reference (and --mask).`,
    );
    const advice = { giveReference: 'open a labelled image' };
    expect(await refusal(prepareBatch({ ...requestOf(root), advice }, start))).toBe(
      `${root} has no reference yet: open a labelled image.`,
    );
    await rm(join(root, 'a.png'));
    await rm(join(root, 'b.png'));
    expect(await refusal(prepareBatch(requestOf(root), start))).toMatch(/holds no images/);
    expect(start).not.toHaveBeenCalled();
    expect(await exists(join(root, '.apmedsam'))).toBe(false);
  });

  it('lets several references of a class vote, and leaves out one that cannot be used', async () => {
    const root = await newRoot();
    const mask = join(root, 'masks', 'a.png');
    const references = await Promise.all(
      ['a.png', 'b.png'].map((image) => makeReference(root, 1, join(root, image), mask)),
    );
    await saveProject(root, projectOf({ references }));
    const engine = new InformedEngine();
    const { job } = await prepareBatch(requestOf(root), () => engine);
    const run = async (changes: Partial<BatchJob> = {}) => {
      const notes: string[] = [];
      const { done, skipped } = await runBatch({ ...job, ...changes }, { onNote: (note) => notes.push(note) });
      return { notes, done, skipped };
    };
    expect(await run()).toEqual({
      notes: ['"glomerulus" has 2 references, of which 2 vote.', 'thin object'],
      done: 1,
      skipped: 0,
    });
    // Both are the references' own images, and what a person drew needs no guess.
    expect(engine.requests).toEqual([]);
    expect(engine.prepared[0]).toMatchObject({
      reference: { image: join(root, 'a.png') },
      moreReferences: [{ image: join(root, 'b.png'), imageHash: references[1].imageHash }],
    });

    // Another strategy takes one alone, so that the other's image is labelled, under a key of its own.
    expect(await run({ strategy: 'gbmseg' })).toEqual({
      notes: ['"glomerulus" has 2 references, of which one is used: a.png.', 'thin object'],
      done: 1,
      skipped: 0,
    });
    expect(engine.requests.map(({ image, classes }) => [image, classes[0]!.moreReferences])).toEqual([
      [join(root, 'b.png'), undefined],
    ]);

    await put(join(root, 'b.png'), 'changed');
    expect((await run()).notes).toEqual([
      '"glomerulus" has 2 references, of which one is used: a.png.',
      `left out: The reference image ${join(root, 'b.png')} has changed since the reference was set: set it again.`,
      'thin object',
    ]);
  });
});
