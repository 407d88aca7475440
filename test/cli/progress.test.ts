import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { duration, describe as inWords, ProgressLine } from '../../src/cli/progress';
import type { BatchProgress } from '../../src/dataset/batch/batchProgress';

function progressOf(changes: Partial<BatchProgress> = {}): BatchProgress {
  const none = { done: 0, skipped: 0, kept: 0, absent: 0, failed: 0 };
  return { ...none, total: 10, imagesPerSecond: null, etaSeconds: null, image: 'a.png', ...changes };
}

const ERASE = '\r\u001b[2K';

/** A progress line that writes into lists. */
function lineOn(columns: number | undefined) {
  const lines: string[] = [];
  const written: string[] = [];
  const progress = new ProgressLine({ err: (line) => lines.push(line), columns }, (text) => written.push(text));
  return { progress, lines, written };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('duration', () => {
  it.each([
    [0, '0 s'],
    [0.4, '0 s'],
    [8.5, '9 s'],
    [59.4, '59 s'],
    [59.5, '1 min 00 s'],
    [60, '1 min 00 s'],
    [203, '3 min 23 s'],
    [3599.4, '59 min 59 s'],
    [3599.5, '1 h 00 min'],
    [3725, '1 h 02 min'],
    [7199, '1 h 59 min'],
    [90_000, '25 h 00 min'],
  ])('of %f s is "%s"', (seconds, expected) => {
    expect(duration(seconds)).toBe(expected);
  });
});

describe('describe', () => {
  it('counts every outcome as finished', () => {
    expect(inWords(progressOf({ done: 1, skipped: 2, kept: 3, absent: 4, total: 99 }))).toBe('10/99');
    expect(inWords(progressOf({ failed: 1 }))).toBe('1/10, 1 failed');
  });

  it('tells rate and remaining time once they are known', () => {
    const known = { done: 118, failed: 2, total: 3000, imagesPerSecond: 14.23, etaSeconds: 203 };
    expect(inWords(progressOf(known))).toBe('120/3000, 14.2 images/s, 3 min 23 s left, 2 failed');
    expect(inWords(progressOf({ ...known, failed: 0, etaSeconds: null }))).toBe('118/3000, 14.2 images/s');
  });
});

describe('where there is no terminal', () => {
  it('a plain line appears at once and then every five seconds', () => {
    const { progress, lines, written } = lineOn(undefined);
    progress.update(progressOf({ done: 1 }));
    progress.update(progressOf({ done: 2 }));
    vi.advanceTimersByTime(4_999);
    progress.update(progressOf({ done: 3 }));
    expect(lines).toEqual(['1/10']);
    vi.advanceTimersByTime(1);
    progress.update(progressOf({ done: 4 }));
    vi.advanceTimersByTime(100);
    progress.update(progressOf({ done: 5 }));
    expect(lines).toEqual(['1/10', '4/10']);
    progress.clear();
    expect(written).toEqual([]);
  });
});

describe('on a terminal', () => {
  it('a bar is redrawn ten times a second', () => {
    const { progress, lines, written } = lineOn(80);
    progress.update(progressOf({ done: 1 }));
    vi.advanceTimersByTime(99);
    progress.update(progressOf({ done: 2 }));
    expect(written).toHaveLength(1);
    vi.advanceTimersByTime(1);
    progress.update(progressOf({ done: 5 }));
    expect(written).toEqual([
      `${ERASE}[${'█'.repeat(4)}${'░'.repeat(36)}] 1/10`,
      `${ERASE}[${'█'.repeat(20)}${'░'.repeat(20)}] 5/10`,
    ]);
    expect(lines).toEqual([]);
  });

  it('a bar fills up, and stays within the terminal', () => {
    const filled = (columns: number, changes: Partial<BatchProgress>) => {
      const { progress, written } = lineOn(columns);
      progress.update(progressOf(changes));
      return written[0].slice(ERASE.length);
    };
    expect(filled(80, { done: 0 })).toBe(`[${'░'.repeat(40)}] 0/10`);
    expect(filled(80, { done: 4, failed: 3, skipped: 3 })).toBe(`[${'█'.repeat(40)}] 10/10, 3 failed`);
    expect(filled(80, { total: 0 })).toBe(`[${'█'.repeat(40)}] 0/0`);
    expect(filled(20, { done: 5 })).toBe('[██████░░░░░░] 5/10');
    const busy = { done: 4, imagesPerSecond: 3.21, etaSeconds: 4000, failed: 1 };
    const words = '5/10, 3.2 images/s, 1 h 06 min left, 1 failed';
    for (let columns = 1; columns <= 120; columns++) {
      const text = filled(columns, busy);
      expect(text.length, `${columns} columns`).toBeLessThan(columns);
      if (columns > words.length + 3) expect(text).toContain(words);
    }
    expect(filled(40, busy)).toBe('[] 5/10, 3.2 images/s, 1 h 06 min left,');
  });

  it('says what is being done before there is progress, within the terminal', () => {
    const { progress, written } = lineOn(20);
    progress.begin('Learning the reference...');
    expect(written).toEqual([`${ERASE}Learning the refere`]);
    progress.update(progressOf({ done: 1 }));
    expect(written).toHaveLength(2);
    progress.clear();
    expect(written[2]).toBe(ERASE);
    const plain = lineOn(undefined);
    plain.progress.begin('Learning the reference...');
    expect([plain.lines, plain.written]).toEqual([[], []]);
  });

  it('clearing erases a bar that is there, once', () => {
    const { progress, written } = lineOn(80);
    progress.clear();
    expect(written).toEqual([]);
    progress.update(progressOf({ done: 1 }));
    progress.clear();
    progress.clear();
    expect(written).toHaveLength(2);
    expect(written[1]).toBe(ERASE);
    vi.advanceTimersByTime(100);
    progress.update(progressOf({ done: 2 }));
    expect(written).toHaveLength(3);
  });
});
