import { appendFile, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type JournalLine, JournalWriter, journalFolder, MOST_LINE_BYTES } from '../../src/dataset/journal/journal';
import { JournalView, JournalViews } from '../../src/dataset/journal/journalView';
import { lineWith, put, temporaryFolder } from './fixtures';

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();

async function write(root: string, writer: string, lines: readonly JournalLine[]): Promise<void> {
  const journal = await JournalWriter.open(root, writer);
  await Promise.all(lines.map((line) => journal.append(line)));
  await journal.close();
}

const textOf = (lines: readonly JournalLine[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

async function viewOf(files: Record<string, string>): Promise<JournalView> {
  const root = await temporaryFolder();
  for (const [name, text] of Object.entries(files)) await put(join(journalFolder(root), name), text);
  return JournalView.read(root);
}

describe('writing', () => {
  test('lines appended at the same time stay whole and in order', async () => {
    const root = await temporaryFolder();
    const lines = Array.from({ length: 50 }, (_, i) => lineWith({ image: `${i}\u2028.png` }));
    await write(root, 'batch-1-of-1', lines);
    expect(await readFile(join(journalFolder(root), 'batch-1-of-1.jsonl'), 'utf8')).toBe(textOf(lines));
    expect([...(await JournalView.read(root)).all()]).toHaveLength(50);
  });

  test('a line after a torn one starts afresh', async () => {
    const root = await temporaryFolder();
    const whole = lineWith({ image: 'whole.png' });
    await put(join(journalFolder(root), 'user.jsonl'), `${textOf([whole])}{"kind":"done","ima`);
    await write(root, 'user', [lineWith({ image: 'after.png' })]);
    const view = await JournalView.read(root);
    expect([...view.all()].map(({ image }) => image)).toEqual(['whole.png', 'after.png']);
    expect(view.brokenLines).toBe(1);
  });

  test('a name that could leave the folder is refused', async () => {
    await expect(JournalWriter.open(await temporaryFolder(), '../x')).rejects.toThrow(RangeError);
  });
});

describe('reading', () => {
  test('no journal is an empty one', async () => {
    const view = await JournalView.read(await temporaryFolder());
    expect([...view.all()]).toEqual([]);
  });

  test('a torn last line is ignored, broken lines in between are counted', async () => {
    const line = JSON.stringify(lineWith());
    const text = `${line}\nno json\n{"kind":"done"}\n\n${JSON.stringify(lineWith({ image: 'b.png' }))}\n${line.slice(0, 40)}`;
    const view = await viewOf({ 'user.jsonl': text });
    expect([...view.all()].map(({ image }) => image)).toEqual(['a.png', 'b.png']);
    expect(view.brokenLines).toBe(2);
  });

  test('a last line that lacks only its newline counts', async () => {
    const view = await viewOf({ 'user.jsonl': JSON.stringify(lineWith()) });
    expect(view.entry('a.png', 1)?.status).toBe('auto');
  });

  test('of one writer the last line wins, whatever its clock said', async () => {
    const lines = [lineWith({ time: at(9), run: 'first' }), lineWith({ time: at(3), run: 'last' })];
    const view = await viewOf({ 'batch-1-of-1.jsonl': textOf(lines) });
    expect(view.entry('a.png', 1)).toMatchObject({ run: 'last', time: at(3) });
  });

  test.each([
    [1, 5],
    [5, 1],
    [9, 1],
  ])(
    'of two writers the newest line wins, and none is older than those before it in its file (%d, %d)',
    async (a, b) => {
      const ahead = textOf([lineWith({ time: at(a), run: 'a' }), lineWith({ time: at(3), run: 'b' })]);
      const other = textOf([lineWith({ time: at(4), run: 'c' }), lineWith({ time: at(b), run: 'd' })]);
      const expected = Math.max(a, 3) > Math.max(4, b) ? 'b' : 'd';
      // Whichever is read first.
      for (const [one, two] of [
        [ahead, other],
        [other, ahead],
      ]) {
        const view = await viewOf({ 'batch-1-of-2.jsonl': one, 'batch-2-of-2.jsonl': two });
        expect(view.entry('a.png', 1)?.run).toBe(expected);
      }
    },
  );

  test('a line that is read again from the disk is no news', async () => {
    const root = await temporaryFolder();
    const journal = await JournalWriter.open(root, 'person-a');
    const view = await JournalView.read(root);
    const judged = lineWith({ status: 'edited', time: at(5) });
    for (const line of [
      { ...judged, mask: 'one' },
      { ...judged, mask: 'two', time: at(2) },
    ]) {
      view.merge({ ...line, kind: 'intent' }, await journal.append({ ...line, kind: 'intent' }));
      view.merge(line, await journal.append(line));
    }
    const seen: unknown[] = [];
    view.onEntry(() => seen.push([view.entry('a.png', 1)?.mask, [...view.unfinished()].length]));
    await view.refresh();
    await journal.close();
    expect(view.entry('a.png', 1)?.mask).toBe('two');
    expect(seen.every((one) => JSON.stringify(one) === '["two",0]')).toBe(true);
    expect((await JournalView.read(root)).entry('a.png', 1)?.mask).toBe('two');
  });

  test('the time of a new line is now, or just after what it replaces', async () => {
    const later = '2099-01-01T00:00:00.000Z';
    const view = await viewOf({
      'batch-1-of-1.jsonl': textOf([
        lineWith({ time: at(1) }),
        lineWith({ image: 'ahead.png', time: later }),
        lineWith({ image: 'intent.png', time: later, kind: 'intent' }),
        lineWith({ image: 'last.png', time: '9999-12-31T23:59:59.999Z' }),
      ]),
    });
    expect(Math.abs(Date.parse(view.nextTime('a.png', 1)) - Date.now())).toBeLessThan(10_000);
    expect(view.nextTime('ahead.png', 2) < later).toBe(true);
    expect(view.nextTime('ahead.png', 1)).toBe('2099-01-01T00:00:00.001Z');
    expect(view.nextTime('intent.png', 1)).toBe('2099-01-01T00:00:00.001Z');
    expect(view.nextTime('last.png', 1)).toBe('9999-12-31T23:59:59.999Z');
  });

  test('a person beats every run, and of two judgements the newer wins', async () => {
    const view = await viewOf({
      'batch-1-of-1.jsonl': textOf([lineWith({ time: at(50) }), lineWith({ time: at(51), status: 'absent' })]),
      'user.jsonl': textOf([
        lineWith({ time: at(1), status: 'edited' }),
        lineWith({ time: at(2), status: 'accepted' }),
      ]),
    });
    expect(view.entry('a.png', 1)?.status).toBe('accepted');
    expect(view.entry('a.png', 2)).toBeUndefined();
  });

  test('every mask that was ever written or about to be is known, per image', async () => {
    const view = await viewOf({
      'user.jsonl': textOf([
        lineWith({ mask: 'one', class: 1 }),
        lineWith({ mask: 'two', class: 2 }),
        lineWith({ mask: 'three', kind: 'intent' }),
      ]),
    });
    expect(['one', 'two', 'three', 'four'].map((mask) => view.knowsMask('a.png', mask))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(view.knowsMask('b.png', 'one')).toBe(false);
  });

  test('an intent is unfinished until a later done of the class, or a person’s judgement', async () => {
    const intent = (image: string, second: number) =>
      lineWith({ kind: 'intent', image, time: at(second), mask: image });
    const view = await viewOf({
      'batch-1-of-1.jsonl': textOf([
        intent('open', 5),
        intent('finished', 5),
        lineWith({ image: 'finished', time: at(3) }),
        lineWith({ image: 'again', time: at(7) }),
        intent('again', 5),
        intent('judged', 5),
        lineWith({ image: 'judged', time: at(1), status: 'accepted' }),
        intent('closed', 5),
        lineWith({ image: 'closed', time: at(5), status: 'failed' }),
        intent('elsewhere', 5),
        intent('completed', 5),
      ]),
      'batch-1-of-2.jsonl': textOf([
        lineWith({ image: 'elsewhere', time: at(4) }),
        lineWith({ image: 'completed', time: at(5) }),
      ]),
    });
    expect([...view.unfinished()].map(({ image }) => image)).toEqual(['open', 'again', 'elsewhere']);
  });

  test('refresh merges what others appended since, torn ends included once they are whole', async () => {
    const root = await temporaryFolder();
    const path = join(journalFolder(root), 'user.jsonl');
    const text = textOf([lineWith(), lineWith({ status: 'edited', time: at(5) })]);
    const cut = text.length - 30;
    await put(path, text.slice(0, cut));
    const view = await JournalView.read(root);
    expect(view.entry('a.png', 1)?.status).toBe('auto');
    await put(path, text);
    await write(root, 'batch-1-of-1', [lineWith({ image: 'b.png' })]);
    await view.refresh('persons');
    expect(view.entry('a.png', 1)?.status).toBe('edited');
    expect(view.entry('b.png', 1)).toBeUndefined();
    await view.refresh();
    expect(view.entry('b.png', 1)?.status).toBe('auto');
    expect(view.brokenLines).toBe(0);
  });

  test('files that shrank or went, as another state of the folder leaves them, are read afresh', async () => {
    const root = await temporaryFolder();
    const [user, batch] = ['user.jsonl', 'batch-1-of-1.jsonl'].map((name) => join(journalFolder(root), name));
    await put(user, textOf([lineWith({ status: 'edited', mask: 'old' }), lineWith({ image: 'b.png' })]));
    await put(batch, textOf([lineWith({ time: at(1) })]));
    const view = await JournalView.read(root);
    expect(view.entry('a.png', 1)?.status).toBe('edited');
    await put(user, textOf([lineWith({ image: 'c.png' })]));
    await view.refresh('persons');
    expect([...view.all()].map(({ image, entry }) => [image, entry.status]).sort()).toEqual([
      ['a.png', 'auto'],
      ['c.png', 'auto'],
    ]);
    expect(view.knowsMask('a.png', 'old')).toBe(false);
    await rm(batch);
    await view.refresh('persons');
    expect([...view.all()].map(({ image }) => image)).toEqual(['c.png']);
  });

  test('one view is shared by all who look at a root', async () => {
    const root = await temporaryFolder();
    const views = new JournalViews();
    await put(join(journalFolder(root), 'user.jsonl', 'x'), '');
    await expect(views.of(root)).rejects.toThrow(/user\.jsonl is a folder, not a file/);
    await rm(journalFolder(root), { recursive: true });
    expect(await views.of(root)).toBe(await views.of(root));
    expect(await views.of(await temporaryFolder())).not.toBe(await views.of(root));
  });

  test('a file without newlines takes time and memory of its length at most, and is one broken line', async () => {
    const root = await temporaryFolder();
    const path = join(journalFolder(root), 'user.jsonl');
    const length = 3 * MOST_LINE_BYTES;
    await put(path, 'x');
    await truncate(path, length);
    const view = await JournalView.read(root);
    expect(view.brokenLines).toBe(1);
    // It goes on where it ended, also within the line.
    await appendFile(path, `more of it\n${textOf([lineWith()])}`);
    await view.refresh();
    expect([view.brokenLines, view.entry('a.png', 1)?.status]).toEqual([1, 'auto']);
    await appendFile(path, `${'y'.repeat(MOST_LINE_BYTES)}\n${textOf([lineWith({ image: 'b.png' })])}`);
    await view.refresh();
    expect([view.brokenLines, view.entry('b.png', 1)?.status]).toEqual([2, 'auto']);
  });

  test('a long line is read in linear time', async () => {
    const root = await temporaryFolder();
    const text = `${JSON.stringify({ ...lineWith(), ofAnotherVersion: 'x'.repeat(0.9 * MOST_LINE_BYTES) })}\n`;
    expect(text.length).toBeLessThan(MOST_LINE_BYTES);
    await put(join(journalFolder(root), 'user.jsonl'), text);
    expect((await JournalView.read(root)).entry('a.png', 1)?.status).toBe('auto');
  });

  test('a byte order mark, and lines that would fill the memory', async () => {
    const endless = 'x'.repeat(40_000);
    const view = await viewOf({
      'user.jsonl': `\ufeff${textOf([lineWith(), lineWith({ image: endless }), lineWith({ mask: endless })])}`,
    });
    expect(view.entry('a.png', 1)?.status).toBe('auto');
    expect(view.brokenLines).toBe(2);
  });

  test('5,000 lines full of prompts leave only their entries in memory', async () => {
    const root = await temporaryFolder();
    const prompts = Array.from({ length: 200 }, (_, i) => ({ x: i + 0.5, y: i / 3, label: 1 as const, instance: 0 }));
    const lines = Array.from({ length: 5000 }, (_, i) => lineWith({ image: `images/${i}.png`, prompts }));
    await put(join(journalFolder(root), 'batch-1-of-1.jsonl'), textOf(lines));
    const view = await JournalView.read(root);
    expect([...view.all()]).toHaveLength(5000);
    expect(view.entry('images/4999.png', 1)).not.toHaveProperty('prompts');
    expect(await readdir(journalFolder(root))).toEqual(['batch-1-of-1.jsonl']);
  });
});
