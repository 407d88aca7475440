import { execFileSync } from 'node:child_process';
import { link, mkdir, open, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createAtomic, hashIfPresent, makeFolder, removeIfPresent, writeAtomic } from '../../src/disk/atomicFile';
import {
  type Access,
  FILE_KINDS,
  openGuarded,
  openNamed,
  readGuarded,
  readNamed,
  textOf,
} from '../../src/disk/guardedFile';
import { sha256 } from '../../src/disk/hashing';
import { exists, put, temporaryFolder } from '../dataset/fixtures';
import { refusal } from '../refusal';

const isWindows = process.platform === 'win32';
const SMALL = { name: 'a test', mostBytes: 1000 };

/** Makes a link, to a folder where `to` is one. */
const linkTo = (to: string, path: string) => symlink(to, path, isWindows ? 'junction' : undefined);

describe('links', () => {
  const ACCESSES: Access[] = ['read', 'append', 'update'];

  test.skipIf(isWindows).each(ACCESSES)('a file that is a link is not opened for %s', async (access) => {
    const root = await temporaryFolder();
    const target = await put(join(root, 'elsewhere'), 'kept');
    await symlink(target, join(root, 'link'));
    expect(await refusal(openGuarded(join(root, 'link'), root, access))).toBe(
      `${join(root, 'link')} is a link, and inside a project none is followed: put what it leads to in its place.`,
    );
    expect(await readFile(target, 'utf8')).toBe('kept');
  });

  test.skipIf(isWindows)('nothing is made at the end of a link that leads nowhere', async () => {
    const root = await temporaryFolder();
    const target = join(root, 'nowhere');
    await symlink(target, join(root, 'link'));
    expect(await refusal(openGuarded(join(root, 'link'), root, 'append'))).toContain('is a link');
    expect(await createAtomic(join(root, 'link'), 'x', { within: root })).toBe(false);
    await expect(openGuarded(join(root, 'link'), root, 'create')).rejects.toThrow();
    expect(await exists(target)).toBe(false);
  });

  test('a folder on the way that is a link is refused, by name', async () => {
    const root = await temporaryFolder();
    await put(join(root, 'elsewhere', 'deep', 'file'), 'kept');
    await linkTo(join(root, 'elsewhere'), join(root, 'link'));
    const path = join(root, 'link', 'deep', 'file');
    const message = `${join(root, 'link')} is a link, and inside a project none is followed: put what it leads to in its place.`;
    for (const attempt of [
      () => openGuarded(path, root),
      () => openGuarded(join(root, 'link', 'new'), root, 'create'),
      () => readGuarded(path, root, SMALL),
      () => writeAtomic(path, 'x', { within: root }),
      () => createAtomic(join(root, 'link', 'new'), 'x', { within: root }),
      () => removeIfPresent(path, { within: root }),
      () => makeFolder(join(root, 'link', 'new'), { within: root }),
    ]) {
      expect(await refusal(attempt())).toBe(message);
    }
    expect(await readFile(join(root, 'elsewhere', 'deep', 'file'), 'utf8')).toBe('kept');
    expect(await exists(join(root, 'elsewhere', 'new'))).toBe(false);
  });

  test('the folder that was chosen may be a link, and lie behind one', async () => {
    const top = await temporaryFolder();
    await put(join(top, 'real', 'root', 'file'), 'there');
    await linkTo(join(top, 'real'), join(top, 'link'));
    const root = join(top, 'link', 'root');
    expect(await readGuarded(join(root, 'file'), root, SMALL)).toEqual(Buffer.from('there'));
    await linkTo(root, join(top, 'linked-root'));
    await writeAtomic(join(top, 'linked-root', 'file'), 'new', { within: join(top, 'linked-root') });
    expect(await readFile(join(top, 'real', 'root', 'file'), 'utf8')).toBe('new');
  });

  test.skipIf(isWindows)('replacing a link replaces the link itself', async () => {
    const root = await temporaryFolder();
    const target = await put(join(root, 'elsewhere'), 'kept');
    await symlink(target, join(root, 'link'));
    await writeAtomic(join(root, 'link'), 'new', { within: root });
    expect([await readFile(join(root, 'link'), 'utf8'), await readFile(target, 'utf8')]).toEqual(['new', 'kept']);
  });

  test('a hard link and a file that a person named through a link are files', async () => {
    const root = await temporaryFolder();
    const path = await put(join(root, 'file'), 'there');
    await link(path, join(root, 'same'));
    expect(await readGuarded(join(root, 'same'), root, SMALL)).toEqual(Buffer.from('there'));
    if (isWindows) return;
    await symlink(path, join(root, 'link'));
    expect(await readNamed(join(root, 'link'), SMALL)).toEqual(Buffer.from('there'));
    expect(await hashIfPresent(join(root, 'link'))).toBe(sha256('there'));
  });

  test('a path outside is a mistake of ours', async () => {
    await expect(openGuarded('/a/b', '/a/c')).rejects.toThrow(RangeError);
    await expect(openGuarded('/a', '/a/c')).rejects.toThrow(RangeError);
  });
});

describe.skipIf(isWindows)('what is no regular file', () => {
  const NATURES = ['pipe', 'socket', 'device', 'folder'] as const;

  async function makeIrregular(nature: (typeof NATURES)[number], path: string): Promise<() => void> {
    if (nature === 'pipe') execFileSync('mkfifo', [path]);
    if (nature === 'folder') await mkdir(path);
    // Devices cannot be made without being root; a link leads to one.
    if (nature === 'device') await symlink('/dev/zero', path);
    if (nature !== 'socket') return () => undefined;
    const server = createServer();
    await new Promise<void>((done) => server.listen(path, done));
    return () => server.close();
  }

  test.each(NATURES)('a %s is a sentence at once', async (nature) => {
    const root = await temporaryFolder();
    const path = join(root, 'x');
    const close = await makeIrregular(nature, path);
    try {
      const isNo = new RegExp(`^${path} is a .*(${nature}).*, not a file: move it away\\.$`);
      expect(await refusal(openNamed(path))).toMatch(isNo);
      expect(await refusal(readNamed(path, SMALL))).toMatch(isNo);
      expect(await refusal(hashIfPresent(path))).toMatch(isNo);
      if (nature === 'device') return;
      expect(await refusal(readGuarded(path, root, SMALL))).toMatch(isNo);
      if (nature === 'folder') return;
      expect(await refusal(openGuarded(path, root, 'append'))).toMatch(isNo);
      expect(await refusal(openGuarded(path, root, 'update'))).toMatch(isNo);
    } finally {
      close();
    }
  });
});

describe('lengths', () => {
  test('a file of the most bytes is read, one byte more is a sentence', async () => {
    const root = await temporaryFolder();
    const path = await put(join(root, 'x'), 'a'.repeat(1000));
    expect(await readGuarded(path, root, SMALL)).toHaveLength(1000);
    await writeFile(path, 'a'.repeat(1001));
    const message = `${path} is too long for a test: it has 2 KB, of 1 KB at most.`;
    expect(await refusal(readGuarded(path, root, SMALL))).toBe(message);
    expect(await refusal(readNamed(path, SMALL))).toBe(message);
  });

  test('a file of a terabyte takes no memory', async () => {
    const path = await put(join(await temporaryFolder(), 'x'), '');
    await truncate(path, 1e12);
    expect(await refusal(readNamed(path, FILE_KINDS.mask))).toContain('it has 1000000 MB, of 512 MB at most');
  });

  test('a file that says it is empty and goes on is read to its end, or to the limit', async () => {
    // Files of /proc have no size.
    if (process.platform !== 'linux') return;
    expect(textOf((await readNamed('/proc/self/status', { name: 'a test', mostBytes: 1e5 }))!)).toContain('Pid:');
    expect(await refusal(readNamed('/proc/self/status', { name: 'a test', mostBytes: 100 }))).toContain('too long');
  });

  test('a file that is not there is none', async () => {
    const root = await temporaryFolder();
    expect(await readGuarded(join(root, 'a', 'b'), root, SMALL)).toBe(null);
    expect(await readNamed(join(root, 'a', 'b'), SMALL)).toBe(null);
    await put(join(root, 'a'), '');
    expect(await readGuarded(join(root, 'a', 'b'), root, SMALL)).toBe(null);
    await rm(root, { recursive: true });
  });

  test('a file that is opened is opened for what was said', async () => {
    const root = await temporaryFolder();
    const path = join(root, 'x');
    const appending = await openGuarded(path, root, 'append');
    await appending.appendFile('ab');
    await appending.close();
    const updating = await openGuarded(path, root, 'update');
    await updating.write('c', 0);
    await updating.close();
    expect(await readFile(path, 'utf8')).toBe('cb');
    const again = openGuarded(path, root, 'create');
    await expect(again).rejects.toMatchObject({ code: 'EEXIST' });
    const check = await open(path);
    await check.close();
  });
});

test('a byte order mark is no text', () => {
  expect(textOf(Buffer.from('\ufeff{}'))).toBe('{}');
  expect(textOf(new Uint8Array([0x7b, 0x7d]))).toBe('{}');
});
