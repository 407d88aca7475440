/** Read-only folders are told before anybody has worked for nothing. */
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readOnlyFolder } from '../../src/disk/permission';
import { put, temporaryFolder } from '../dataset/fixtures';

it('is null where files can be made, or folders for them, and where that is another question', async () => {
  const root = await temporaryFolder();
  expect(await readOnlyFolder(root)).toBeNull();
  expect(await readOnlyFolder(join(root, 'not', 'there'))).toBeNull();
  expect(await readOnlyFolder(join(await put(join(root, 'file'), ''), 'in', 'a', 'file'))).toBeNull();
});

it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
  'is the folder that refuses, for what is still to be made in it too',
  async () => {
    const folder = join(await temporaryFolder(), 'locked');
    await mkdir(folder);
    await chmod(folder, 0o555);
    expect(await readOnlyFolder(folder)).toBe(folder);
    expect(await readOnlyFolder(join(folder, 'masks'))).toBe(folder);
    await chmod(folder, 0o755);
  },
);
