import { mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { prepareBatch } from '../../src/dataset/batch/batchSetUp';
import { PersonCommitter } from '../../src/dataset/commits/personCommit';
import { MaskFolderGrants } from '../../src/dataset/files/maskFolderGrants';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';
import { FakeEngine, jobWith, labels, projectOf, SIZE } from './fixtures';

const isWindows = process.platform === 'win32';

/** A project from elsewhere: its mask folder is where the stranger wants masks to go. */
async function strangersProject(setting: 'outside' | 'absolute' | 'link' | 'behind a link' | 'inside') {
  const job = await jobWith(['a.png'], new FakeEngine());
  const { root } = job;
  const outside = join(dirname(root), 'outside');
  await mkdir(outside);
  if (setting === 'link' || setting === 'behind a link') {
    await symlink(outside, join(root, 'masks'), isWindows ? 'junction' : undefined);
  }
  const maskFolder = {
    outside: '../outside',
    absolute: outside,
    link: 'masks',
    'behind a link': 'masks/deep',
    inside: 'a/b',
  };
  await saveProject(root, projectOf({ maskFolder: maskFolder[setting], references: [...job.references] }));
  return { job, root, outside, home: join(dirname(root), 'home'), maskFolder: maskFolder[setting] };
}

const run = (root: string, grants: MaskFolderGrants, maskFolder?: string) =>
  prepareBatch(
    {
      targets: [root],
      settings: { maskFolder },
      grants,
      reference: { image: undefined, mask: undefined, classNames: [] },
      overwrite: 'replace-auto',
    },
    () => {
      throw new Error('engines start');
    },
  );

describe('a mask folder that a project names', () => {
  test.each(['outside', 'absolute', 'link', 'behind a link'] as const)(
    '%s: neither run nor person writes there',
    async (setting) => {
      const { root, outside } = await strangersProject(setting);
      const grants = new MaskFolderGrants(null);
      const said =
        /^The mask folder .* (lies outside it|is a link, or lies behind one), so nothing is written there unless you say so: give it with --out/;
      expect(await refusal(run(root, grants))).toMatch(said);
      const person = new PersonCommitter({ session: 'a', grants });
      const drawn = labels(Array.from({ length: SIZE.width * SIZE.height }, () => 1));
      const work = [{ classId: 1, by: 'person' as const }];
      expect(
        await refusal(person.save(root, { image: 'a.png', labels: drawn, opened: null, file: null, work })),
      ).toMatch(said);
      expect(await refusal(person.accept(root, 'a.png', 1))).toMatch(said);
      await person.dispose();
      expect(await readdir(outside)).toEqual([]);
    },
  );

  test.each(['outside', 'absolute', 'link', 'behind a link'] as const)(
    '%s: is allowed by naming it once, for this root',
    async (setting) => {
      const { root, home, maskFolder, outside } = await strangersProject(setting);
      const named = setting === 'link' || setting === 'behind a link' ? join(root, maskFolder) : outside;
      await expect(run(root, new MaskFolderGrants(home), named)).rejects.toThrow('engines start');
      await expect(run(root, new MaskFolderGrants(home))).rejects.toThrow('engines start');
      if (!isWindows) expect((await stat(join(home, 'mask-folders.json'))).mode & 0o777).toBe(0o600);
      const other = await strangersProject(setting);
      expect(await refusal(run(other.root, new MaskFolderGrants(home)))).toContain('unless you say so');
    },
  );

  test('a link that leads elsewhere later was not allowed', async () => {
    const { root, home } = await strangersProject('link');
    const grants = new MaskFolderGrants(home);
    await grants.grant(root, 'masks');
    expect(await grants.require(root, 'masks')).toBe(join(root, 'masks'));
    await rm(join(root, 'masks'));
    await symlink(dirname(root), join(root, 'masks'), isWindows ? 'junction' : undefined);
    expect(await refusal(grants.require(root, 'masks'))).toContain('is a link');
  });

  test('a person who can be asked is asked once, and a no writes nothing', async () => {
    const { root, home, outside } = await strangersProject('outside');
    const asked: string[] = [];
    const asking = (answer: boolean) =>
      new MaskFolderGrants(home, async (_, folder) => {
        asked.push(folder);
        return answer;
      });
    expect(await refusal(asking(false).require(root, '../outside'))).toContain('unless you say so');
    expect(await asking(true).require(root, '../outside')).toBe(outside);
    expect(await asking(false).require(root, '../outside')).toBe(outside);
    expect(asked).toEqual([outside, outside]);
    // What is damaged allows nothing.
    await writeFile(join(home, 'mask-folders.json'), '{');
    expect(await refusal(new MaskFolderGrants(home).require(root, '../outside'))).toContain('unless you say so');
  });

  test('inside its root nobody is asked, and nothing is remembered', async () => {
    const { root, home } = await strangersProject('inside');
    await expect(run(root, new MaskFolderGrants(home))).rejects.toThrow('engines start');
    await expect(run(root, new MaskFolderGrants(home), join(root, 'a', 'b'))).rejects.toThrow('engines start');
    await expect(stat(home)).rejects.toThrow();
  });
});
