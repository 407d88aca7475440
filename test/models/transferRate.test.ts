import { describe, expect, it } from 'vitest';
import { TransferRate } from '../../src/models/transferRate';

describe('TransferRate', () => {
  it('is unknown at first, then what the last seconds say', () => {
    const rate = new TransferRate();
    expect(rate.add(0, 1000)).toBeNull();
    expect(rate.add(400, 1400)).toBeNull();
    expect(rate.add(1000, 2000)).toBe(1000);
    // Ten times faster from here on: after the window nothing is left of the slow start.
    for (let at = 1100; at <= 7000; at += 100) rate.add(at, 2000 + (at - 1000) * 10);
    expect(rate.add(7100, 2000 + 61_000)).toBeCloseTo(10_000);
  });

  it('falls to nothing while nothing comes', () => {
    const rate = new TransferRate();
    rate.add(0, 0);
    rate.add(1000, 5000);
    expect(rate.add(6000, 5000)).toBe(0);
  });

  it('begins anew after a pause, and where a transfer starts over', () => {
    const rate = new TransferRate();
    rate.add(0, 0);
    rate.add(1000, 5000);
    expect(rate.add(2000, 100)).toBeNull();
    expect(rate.add(3000, 1100)).toBe(1000);
    rate.pause();
    expect(rate.add(9000, 2000)).toBeNull();
  });
});
