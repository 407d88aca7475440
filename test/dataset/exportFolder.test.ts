/** What an export takes from a folder, as batches and persons leave it. */
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runBatch } from '../../src/dataset/batch/batch';
import { PersonCommitter } from '../../src/dataset/commits/personCommit';
import { type ExportRequest, exportFolder } from '../../src/dataset/exportFolder';
import { type DatasetFormat, labelStates } from '../../src/formats/datasets/datasetFormat';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';
import { CLASSES, exists, FakeEngine, imageBytes, jobWith, labels, projectOf, put } from './fixtures';

/** A line for each image, to see what a format is given. */
const lines: DatasetFormat = {
  summary: 'a line for each image',
  open: async (classes, folder) => ({
    add: async (picture) => {
      const { name, labels: drawn, classes: of } = picture;
      const row = {
        name,
        pixels: [...drawn.data].join(''),
        classes: of.map(({ id, state, trust }) => [id, state, trust]),
      };
      await folder.append('sub/lines.jsonl', `${JSON.stringify(row)}\n`);
    },
    close: () => folder.append('classes.txt', classes.map(({ name }) => name).join('\n')),
  }),
};

const DRAWN = '110011001100';
const absent = { outcome: 'absent' as const, pixels: Array<number>(12).fill(0) };

/** A folder after a batch: `a` and `b` labelled, `c` without the object. */
async function labelled() {
  const engine = new FakeEngine((image) => (image.endsWith('c.png') ? absent : { trust: 0.25 }));
  const job = await jobWith(['a.png', 'b.png', 'c.png'], engine);
  const project = projectOf({ classes: [CLASSES[0]!], references: [...job.references] });
  await saveProject(job.root, project);
  await runBatch({ ...job, project });
  return { root: job.root, project };
}

async function exported(request: Partial<ExportRequest> & Pick<ExportRequest, 'root' | 'project'>) {
  const output = join(request.root, 'exported');
  const report = await exportFolder({
    targets: [request.root],
    format: lines,
    output,
    states: new Set(labelStates),
    signal: new AbortController().signal,
    ...request,
  });
  const rows = (await readFile(join(output, 'sub', 'lines.jsonl'), 'utf8')).trimEnd().split('\n');
  return { report, rows: rows.map((row) => JSON.parse(row) as { name: string; pixels: string; classes: unknown[] }) };
}

describe('an export', () => {
  it('gives each image its pixels, states and trust, and leaves out those without a mask', async () => {
    const folder = await labelled();
    const { report, rows } = await exported(folder);
    expect(rows).toEqual([
      { name: 'a.png', pixels: DRAWN, classes: [[1, 'auto', 0.25]] },
      { name: 'b.png', pixels: DRAWN, classes: [[1, 'auto', 0.25]] },
    ]);
    expect(report).toEqual({ images: 2, classes: 2, unlabelled: 1, failures: [] });
    expect(await readFile(join(folder.root, 'exported', 'classes.txt'), 'utf8')).toBe('glomerulus');
  });

  it('leaves out what is of other states, and what nobody has labelled', async () => {
    const { root, project } = await labelled();
    await put(join(root, 'e.png'), imageBytes('e'));
    const person = new PersonCommitter({ session: 's' });
    await person.accept(root, 'b.png', 1);
    await person.dispose();
    const { report, rows } = await exported({ root, project, states: new Set(['accepted'] as const) });
    expect(rows).toEqual([{ name: 'b.png', pixels: DRAWN, classes: [[1, 'accepted', 0.25]] }]);
    expect(report.unlabelled).toBe(3); // a of another state, c without a mask, e new
  });

  it('takes a mask that somebody has drawn elsewhere for edited, and its trust for unknown', async () => {
    const { root, project } = await labelled();
    await put(join(root, 'masks', 'b.png'), encodeMaskPng(labels([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), []));
    const { rows } = await exported({ root, project });
    expect(rows[1]).toEqual({ name: 'b.png', pixels: '000000000001', classes: [[1, 'edited', null]] });
  });

  it('exports a mask that a person has wiped as empty', async () => {
    const { root, project } = await labelled();
    await put(join(root, 'masks', 'b.png'), encodeMaskPng(labels(Array<number>(12).fill(0)), []));
    const { rows } = await exported({ root, project });
    expect(rows[1]).toEqual({ name: 'b.png', pixels: '0'.repeat(12), classes: [] });
  });

  it('tells of a mask that it cannot read and goes on', async () => {
    const { root, project } = await labelled();
    await put(join(root, 'masks', 'a.png'), 'no png');
    await put(join(root, 'masks', 'c.png'), encodeMaskPng(labels([9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), []));
    const { report, rows } = await exported({ root, project });
    expect(rows.map(({ name }) => name)).toEqual(['b.png']);
    expect(report.failures.map(({ image }) => image)).toEqual(['a.png', 'c.png']);
    expect(report.failures[1].message).toContain('holds the values 9: expected ids of the project');
  });

  it('takes the support mask of a reference that has none in the mask folder', async () => {
    const { root, project } = await labelled();
    const [reference] = project.references;
    const references = [{ ...reference, image: 'r.png' }];
    await put(join(root, 'r.png'), imageBytes('r'));
    const { rows } = await exported({ root, project: { ...project, references } });
    expect(rows.at(-1)).toEqual({ name: 'r.png', pixels: '111111000000', classes: [[1, 'reference', null]] });
  });

  it('writes over nothing, and leaves nothing where it is cancelled or there is nothing', async () => {
    const { root, project } = await labelled();
    const output = join(root, 'exported');
    const aborter = new AbortController();
    const cancelled = exported({ root, project, signal: aborter.signal, onProgress: () => aborter.abort() });
    await expect(cancelled).rejects.toThrow(/abort/i);
    const nothing = await refusal(exported({ root, project, states: new Set(['edited'] as const) }));
    expect(nothing).toContain('Nothing to export');
    expect((await readdir(root)).sort()).toEqual(['.apmedsam', 'a.png', 'b.png', 'c.png', 'masks']);

    await mkdir(output);
    await exported({ root, project });
    const before = await readFile(join(output, 'classes.txt'), 'utf8');
    expect(await refusal(exported({ root, project }))).toContain('nothing is written over');
    expect(await readFile(join(output, 'classes.txt'), 'utf8')).toBe(before);
    const file = await put(join(root, 'file'), 'x');
    expect(await refusal(exported({ root, project, output: file }))).toContain('is there already');
    expect(await readFile(file, 'utf8')).toBe('x');
  });

  it.skipIf(process.platform === 'win32')('does not follow a link that stands where the folder would be', async () => {
    const { root, project } = await labelled();
    const elsewhere = join(root, '..', 'elsewhere');
    await symlink(elsewhere, join(root, 'exported'));
    expect(await refusal(exported({ root, project }))).toContain('is there already');
    expect(await exists(elsewhere)).toBe(false);
  });
});
