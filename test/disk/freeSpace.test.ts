import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freeBytes } from '../../src/disk/freeSpace';

describe('freeBytes', () => {
  it('asks the disk of the nearest folder that exists', async () => {
    const free = await freeBytes(join(tmpdir(), 'ap-medsam-none', 'deeper', 'model.onnx'));
    const { bavail, bsize, blocks } = await statfs(tmpdir());
    // Others write meanwhile.
    expect(Math.abs(free - bavail * bsize)).toBeLessThan(0.2 * blocks * bsize);
  });
});
