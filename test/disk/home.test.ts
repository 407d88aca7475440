import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { homeDir } from '../../src/disk/home';

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
