import { chmod, readdir, stat, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { rememberTrials } from '../../src/devices/deviceAnswers';
import { homeCacheDir, homeDir, homeDisplayDir, homeModelsDir, openHome } from '../../src/disk/home';
import { TensorCache } from '../../src/engine/images/cache';
import { ModelStore } from '../../src/models/modelStore';
import { PartFile } from '../../src/models/partFile';
import { put, temporaryFolder } from '../dataset/fixtures';
import { refusal } from '../refusal';

describe('homeDir', () => {
  const user = resolve('/home/ada');

  it('follows the platform', () => {
    expect(homeDir({}, 'linux', user)).toBe(join(user, '.local', 'share', 'ap-medsam'));
    expect(homeDir({}, 'darwin', user)).toBe(join(user, 'Library', 'Application Support', 'ap-medsam'));
    expect(homeDir({ LOCALAPPDATA: 'L' }, 'win32', user)).toBe(join('L', 'ap-medsam'));
    expect(homeDir({}, 'win32', user)).toBe(join(user, 'AppData', 'Local', 'ap-medsam'));
  });

  it('takes an absolute XDG_DATA_HOME and ignores a relative one', () => {
    expect(homeDir({ XDG_DATA_HOME: resolve('/data') }, 'linux', user)).toBe(resolve('/data/ap-medsam'));
    expect(homeDir({ XDG_DATA_HOME: 'data' }, 'linux', user)).toBe(join(user, '.local', 'share', 'ap-medsam'));
  });

  it('lets AP_MEDSAM_HOME override everything, and made absolute', () => {
    const env = { AP_MEDSAM_HOME: 'here', XDG_DATA_HOME: resolve('/data') };
    expect(homeDir(env, 'linux', user)).toBe(resolve('here'));
    expect(homeDir({ AP_MEDSAM_HOME: '' }, 'linux', user)).toBe(join(user, '.local', 'share', 'ap-medsam'));
  });
});

describe.skipIf(process.platform === 'win32')('only its user looks into a home', () => {
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
  const key = ['image', 1];
  const tensors = { tokens: { dims: [1, 2], data: Float32Array.of(1, 2) } };

  /** As on a machine where everybody may read and write what everybody makes. */
  async function withUmask<T>(mask: number, work: () => Promise<T>): Promise<T> {
    const before = process.umask(mask);
    return work().finally(() => process.umask(before));
  }

  test('whatever the umask, folders are 0700 and files 0600', async () => {
    const home = join(await temporaryFolder(), 'new', 'home');
    await withUmask(0, async () => {
      await openHome(home);
      await new TensorCache(homeCacheDir(home), 1e6).put(key, tensors);
      await rememberTrials(home, { machine: '', runtimeVersion: '', library: '', encoder: '', segmenter: '' }, []);
      await new ModelStore(await temporaryFolder(), home).changeManifest((models) => models);
      const part = await PartFile.open(join(homeModelsDir(home), 'a', 'x.onnx'));
      await part.close();
    });
    for (const entry of await readdir(join(home, '..'), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      expect([path, await modeOf(path)]).toEqual([path, entry.isDirectory() ? '700' : '600']);
    }
    expect((await readdir(home)).sort()).toEqual(['cache', 'devices.json', 'models']);
  });

  test('one that was open to others is closed on use, with what is cached in it', async () => {
    const home = await temporaryFolder();
    const cache = new TensorCache(homeCacheDir(home), 1e6);
    await cache.put(key, tensors);
    const [name] = await readdir(homeCacheDir(home));
    await put(join(homeDisplayDir(home), 'x'), '');
    for (const path of [home, homeCacheDir(home), homeDisplayDir(home)]) await chmod(path, 0o755);
    await chmod(join(homeCacheDir(home), name), 0o644);
    await openHome(home);
    await new TensorCache(homeCacheDir(home), 1e6).put(['another'], tensors);
    expect(await Promise.all([home, homeCacheDir(home), homeDisplayDir(home)].map(modeOf))).toEqual([
      '700',
      '700',
      '700',
    ]);
    expect(await modeOf(join(homeCacheDir(home), name))).toBe('600');
  });

  test('one that cannot be made is a sentence at once', async () => {
    const folder = await temporaryFolder();
    await put(join(folder, 'file'), '');
    await symlink(join(folder, 'nowhere'), join(folder, 'link'));
    for (const home of [join(folder, 'file', 'home'), join(folder, 'link', 'home'), join(folder, 'link')]) {
      expect(await refusal(openHome(home))).toMatch(/^(Cannot write|Nothing can be made in) /);
    }
    if (process.platform === 'linux') expect(await refusal(openHome('/proc/a/b'))).toMatch(/\/proc/);
  });
});
