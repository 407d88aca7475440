/** Models of several families from the command line: imported, named where a project can name them, and used. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONTRACT_ENCODERS, CONTRACT_SEGMENTERS, writeContractModel } from '../engine/contractModels';
import { ONE_ENGINE, outcomes, sampleMask, Workshop } from './runCli';

const workshop = new Workshop();
const image = (n: number) => `images/nuclei_0${n}.png`;

async function importModel(kind: 'encoder' | 'segmenter', id: string, home: string) {
  const model = (kind === 'encoder' ? CONTRACT_ENCODERS : CONTRACT_SEGMENTERS)[id]!;
  const folder = await workshop.newFolder();
  const { files } = await writeContractModel(folder, id, model);
  const isData = (role: string) => role.endsWith('_data');
  const paths = [...files.filter(({ role }) => !isData(role)), ...files.filter(({ role }) => isData(role))];
  return await workshop.run(
    [
      ...['models', 'import', ...paths.map(({ file }) => path.join(folder, file))],
      ...['--id', id, '--kind', kind, '--family', model.family],
    ],
    { home },
  );
}

describe('a pair of imported models', () => {
  it('is checked, named on the command line, remembered by the project, and part of what a run is', async () => {
    const home = path.join(await workshop.newFolder(), 'home');
    for (const [kind, id] of [
      ['encoder', 'dinov2-external-data'],
      ['segmenter', 'sam2-external-data'],
      ['segmenter', 'medsam'],
    ] as const) {
      const { code, stdout, stderr } = await importModel(kind, id, home);
      expect(code, stderr).toBe(0);
      expect(stdout).toContain(`Imported the ${kind} "${id}" (`);
    }
    const verified = await workshop.run(['models', 'verify'], { home });
    expect(verified.stdout.trim().split('\n')).toHaveLength(5);
    expect(verified.code).toBe(0);

    const root = await workshop.sampleFolder([1, 2]);
    const reference = ['images', '--reference', image(1), '--mask', sampleMask(1), ...ONE_ENGINE];
    const pair = ['--encoder', 'dinov2-external-data', '--segmenter', 'sam2-external-data'];
    const first = await workshop.label([...reference, ...pair], { cwd: root, home });
    expect(first.code, first.stderr).toBe(0);
    const project = path.join(root, '.apmedsam', 'project.json');
    expect(JSON.parse(await readFile(project, 'utf8'))).toMatchObject({
      encoder: 'dinov2-external-data',
      segmenter: 'sam2-external-data',
    });
    const again = await workshop.label(['images', ...ONE_ENGINE], { cwd: root, home });
    expect(again.code, again.stderr).toBe(0);
    expect(outcomes(again.rows)).toEqual({ skipped: 2 });
    const other = await workshop.label(['images', '--segmenter', 'medsam', ...ONE_ENGINE], { cwd: root, home });
    expect(other.code, other.stderr).toBe(0);
    expect(outcomes(other.rows)).not.toEqual({ skipped: 2 });
    const rows = [...other.rows.values()];
    expect(rows.some(({ notes }) => notes?.some((note) => note.startsWith('the segmenter takes no points')))).toBe(
      true,
    );
    expect(JSON.parse(await readFile(project, 'utf8'))).toMatchObject({ segmenter: 'medsam' });
  });

  it('that does not fit is refused before the folder is touched', async () => {
    const home = path.join(await workshop.newFolder(), 'home');
    await importModel('encoder', 'dinov2', home);
    const root = await workshop.sampleFolder([1, 2]);
    const { code, stderr } = await workshop.run(
      ['segment', 'images', '--reference', image(1), '--mask', sampleMask(1), '--encoder', 'dinov2', ...ONE_ENGINE],
      { cwd: root, home },
    );
    expect(code).toBe(2);
    expect(stderr).toContain('The segmenter "embedded" reads features of an encoder of its own family');
  });
});

describe("a model of the user's manifest", () => {
  it('needs an entry and its files, and no command', async () => {
    const home = path.join(await workshop.newFolder(), 'home');
    const models = path.join(home, 'models');
    await mkdir(models, { recursive: true });
    const entry = await writeContractModel(models, 'my-dino', {
      ...CONTRACT_ENCODERS.dinov2!,
      settings: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], inputSide: 280 },
    });
    const segmenter = await writeContractModel(models, 'my-sam', CONTRACT_SEGMENTERS.sam!);
    await writeFile(path.join(models, 'manifest.json'), JSON.stringify({ version: 1, models: [entry, segmenter] }));
    const listed = await workshop.run(['models', 'list'], { home });
    expect(listed.stdout).toMatch(/my-dino.*encoder.*dinov2/);
    const root = await workshop.sampleFolder([1, 2]);
    const pair = ['--encoder', 'my-dino', '--segmenter', 'my-sam', ...ONE_ENGINE];
    const found = await workshop.label(['images', '--reference', image(1), '--mask', sampleMask(1), ...pair], {
      cwd: root,
      home,
    });
    expect(found.code, found.stderr).toBe(0);
    // What contract models make of nuclei is no matter: they were asked.
    expect([...found.rows.values()].map(({ outcome }) => outcome)).not.toContain('failed');
    expect(found.rows.size).toBe(2);
  });
});
