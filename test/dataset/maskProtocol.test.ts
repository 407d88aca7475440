/** The order in which a mask and what is said of it reach the disk. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { toRuns } from '../../src/core/pixels/mask';
import { type CommitStep, MaskProtocol, type MaskWrite } from '../../src/dataset/commits/maskProtocol';
import { MaskLocator } from '../../src/dataset/files/maskLocator';
import { readInstances } from '../../src/dataset/journal/instanceFile';
import { type JournalLine, JournalWriter, journalFolder } from '../../src/dataset/journal/journal';
import { JournalView } from '../../src/dataset/journal/journalView';
import { sha256 } from '../../src/disk/hashing';
import { exists, lineWith, put, SIZE, temporaryFolder } from './fixtures';

const BYTES = Buffer.from('a mask');
const HASH = sha256(BYTES);

/** A root, the writing of the mask of a.png, and what the disk holds of it. */
async function newWrite(replaced: string | null = null) {
  const root = await temporaryFolder();
  const folder = join(root, 'masks');
  const path = join(folder, 'a.png');
  await mkdir(folder);
  if (replaced !== null) await put(path, replaced);
  const view = await JournalView.read(root);
  const journal = await JournalWriter.open(root, 'writer');
  onTestFinished(() => journal.close());
  const { kind: _, time: __, ...line } = lineWith({ mask: HASH, place: 'a.png' });
  const object = { mask: toRuns({ size: SIZE, data: new Uint8Array(12).fill(1) }), iouPrediction: 0.9 };
  const write: MaskWrite = {
    ...{ image: 'a.png', path, bytes: BYTES, hash: HASH, replaces: replaced === null ? null : sha256(replaced) },
    lines: [line, { ...line, class: 2 }],
    instances: [{ classId: 1, instances: [object, object] }],
  };
  const onDisk = async () => ({
    kinds: (await linesOf(root)).map(({ kind }) => kind),
    instances: (await readInstances(root, 'a.png')).map(({ mask, instances }) => [mask, instances.length]),
    mask: (await exists(path)) ? await readFile(path, 'utf8') : null,
  });
  const context = { root, journal, view, masks: new MaskLocator(root, folder, view) };
  return { context, write, onDisk, path };
}

async function linesOf(root: string): Promise<JournalLine[]> {
  const text = await readFile(join(journalFolder(root), 'writer.jsonl'), 'utf8');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

const INTENTS = ['intent', 'intent'];
const OBJECTS = [[HASH, 2]];

describe('putting a mask in place', () => {
  test('each step finds the ones before it on the disk, and nothing of the ones after it', async () => {
    const { context, write, onDisk } = await newWrite('before');
    const seen: [CommitStep, unknown][] = [];
    const onStep = async (step: CommitStep) => void seen.push([step, await onDisk()]);
    expect(await new MaskProtocol({ ...context, onStep }).put(write)).toBe(true);
    expect(seen).toEqual([
      ['intent', { kinds: INTENTS, instances: [], mask: 'before' }],
      ['instances', { kinds: INTENTS, instances: OBJECTS, mask: 'before' }],
      ['mask', { kinds: INTENTS, instances: OBJECTS, mask: 'a mask' }],
      ['done', { kinds: [...INTENTS, 'done', 'done'], instances: OBJECTS, mask: 'a mask' }],
    ]);
  });

  test('a file that is not the one to be replaced stays, with intents that nobody follows', async () => {
    for (const replaced of ['before', null]) {
      const { context, write, onDisk, path } = await newWrite(replaced);
      const onStep = async (step: CommitStep) => void (step === 'instances' && (await put(path, 'a person')));
      expect(await new MaskProtocol({ ...context, onStep }).put(write)).toBe(false);
      expect(await onDisk()).toEqual({ kinds: INTENTS, instances: OBJECTS, mask: 'a person' });
    }
  });

  test('what is no longer due is asked for last, and not written', async () => {
    const { context, write, onDisk } = await newWrite();
    let steps = 0;
    const protocol = new MaskProtocol({ ...context, onStep: () => void steps++ });
    expect(await protocol.put(write, async () => steps < 2)).toBe(false);
    expect(await onDisk()).toEqual({ kinds: INTENTS, instances: OBJECTS, mask: null });
  });

  test('lines are told of with their places in the journal', async () => {
    const { context, write } = await newWrite();
    const { view } = context;
    await new MaskProtocol({ ...context, onLine: (line, at) => view.merge(line, at) }).put(write);
    expect([...view.unfinished()]).toEqual([]);
    expect(view.entry('a.png', 2)?.mask).toBe(HASH);
    expect((await view.line('a.png', 2))?.class).toBe(2);
  });
});
