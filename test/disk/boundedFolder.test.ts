import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BoundedFolder } from '../../src/disk/boundedFolder';

let parent: string;
let dir: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'ap-medsam-bounded-'));
  dir = join(parent, 'folder');
});
afterEach(() => rm(parent, { recursive: true, force: true }));

const open = (capBytes = 1000) => new BoundedFolder(dir, capBytes, ['file', 'folder']);
const names = async () => (await readdir(dir)).sort();

/** Fills an entry that is a folder with one file two levels down. */
const folderOf = (content: string) => async (temporary: string) => {
  await mkdir(join(temporary, 'deep'), { recursive: true });
  await writeFile(join(temporary, 'deep', 'content'), content);
  return content.length;
};

const fileOf = (content: string) => async (temporary: string) => {
  await writeFile(temporary, content);
  return content.length;
};

async function age(path: string, minutes: number): Promise<void> {
  const then = new Date(Date.now() - minutes * 60_000);
  await utimes(path, then, then);
}

describe('BoundedFolder', () => {
  it('counts files and everything in folders, and nothing that is not its own', async () => {
    const folder = open();
    await folder.add(folder.pathOf(['a'], 'file'), fileOf('12345'));
    await folder.add(folder.pathOf(['a'], 'folder'), folderOf('123'));
    await writeFile(join(dir, 'notes.txt'), 'mine');
    await mkdir(join(dir, 'a folder.folder'));
    expect(await folder.info()).toEqual({ dir, entries: 2, bytes: 8, capBytes: 1000 });
    await folder.clear();
    expect(await names()).toEqual(['a folder.folder', 'notes.txt']);
  });

  it('replaces a file, and keeps a folder that was there first', async () => {
    const folder = open();
    const [file, tree] = [folder.pathOf(['k'], 'file'), folder.pathOf(['k'], 'folder')];
    for (const content of ['first', 'second']) {
      await folder.add(file, fileOf(content));
      await folder.add(tree, folderOf(content));
    }
    expect(await readFile(file, 'utf8')).toBe('second');
    expect(await readFile(join(tree, 'deep', 'content'), 'utf8')).toBe('first');
    expect(await names()).toHaveLength(2);
  });

  it('leaves nothing behind of what could not be made', async () => {
    const folder = open();
    const failing = folder.add(folder.pathOf(['k'], 'folder'), async (temporary) => {
      await folderOf('half')(temporary);
      throw new Error('disk full');
    });
    await expect(failing).rejects.toThrow('disk full');
    expect(await names()).toEqual([]);
  });

  it('evicts what was used longest ago, whatever its kind, and never the last one', async () => {
    const folder = open(25);
    const paths = ['file', 'folder', 'file', 'folder'].map((kind, i) => folder.pathOf([i], kind));
    for (const [i, path] of paths.entries()) {
      await folder.add(path, i % 2 === 0 ? fileOf('ten bytes.') : folderOf('ten bytes.'));
      await age(path, 10 - i);
    }
    await folder.touch(paths[0]);
    await folder.tidy();
    expect(await names()).toEqual([paths[0], paths[3]].map((path) => path.slice(dir.length + 1)).sort());

    const tight = open(1);
    await tight.tidy();
    expect(await names()).toEqual([paths[0].slice(dir.length + 1)]);
  });

  it('removes what killed processes left half made, but only when it is old', async () => {
    const folder = open();
    const path = folder.pathOf(['k'], 'folder');
    for (const [suffix, minutes] of [
      ['aaaa', 11],
      ['bbbb', 9],
    ] as const) {
      await folderOf('half')(`${path}.${suffix}.tmp`);
      await age(`${path}.${suffix}.tmp`, minutes);
    }
    expect(await folder.info()).toMatchObject({ entries: 0 });
    expect(await names()).toEqual([`${path.slice(dir.length + 1)}.bbbb.tmp`]);
  });
});
