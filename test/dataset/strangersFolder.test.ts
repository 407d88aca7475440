/**
 * A folder from a stranger: whatever lies in `.apmedsam`, nothing outside is written, nothing hangs, and it is said.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, symlink, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/userError';
import { type BatchJob, runBatch } from '../../src/dataset/batch/batch';
import { PersonCommitter } from '../../src/dataset/commits/personCommit';
import { instancesFile } from '../../src/dataset/journal/instanceFile';
import { type JournalLine, JournalWriter, journalFolder } from '../../src/dataset/journal/journal';
import { JournalView } from '../../src/dataset/journal/journalView';
import { loadProject, projectFile, projectText, updateProject } from '../../src/dataset/project/project';
import { supportMaskCopy } from '../../src/dataset/project/reference';
import { setReference } from '../../src/dataset/project/references';
import { writeAtomic } from '../../src/disk/atomicFile';
import { FILE_KINDS } from '../../src/disk/guardedFile';
import type { BatchSummary } from '../../src/protocol/runnerApi';
import { refusal } from '../refusal';
import { FakeEngine, jobWith, labels, lineWith, projectOf, put, SIZE } from './fixtures';

const isWindows = process.platform === 'win32';
const PERSON = 'person-a';

/** Everything that writes to a project, each on its own; what was refused or failed, in sentences. */
async function everything(job: BatchJob): Promise<string[]> {
  const { root, references } = job;
  const said: string[] = [];
  const attempt = async (work: () => Promise<BatchSummary | unknown>) => {
    try {
      const outcome = (await work()) as Partial<BatchSummary> | undefined;
      said.push(...(outcome?.failures ?? []).map(({ message }) => message));
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      said.push((error as UserError).message);
    }
  };
  await attempt(() => runBatch(job));
  await attempt(() => updateProject(root, projectOf(), (now) => now));
  await attempt(async () => {
    const journal = await JournalWriter.open(root, 'batch-1-of-1');
    await journal.append(lineWith()).finally(() => journal.close());
  });
  const { image, mask } = references[0];
  await attempt(() => setReference(root, { classId: 1, image, mask }, job.engine as FakeEngine));
  const person = new PersonCommitter({ session: PERSON.slice('person-'.length) });
  const drawn = labels(Array.from({ length: SIZE.width * SIZE.height }, (_, i) => (i === 0 ? 1 : 0)));
  const work = [{ classId: 1, by: 'person' as const }];
  await attempt(() => person.save(root, { image: 'deep/b.png', labels: drawn, opened: null, file: null, work }));
  await attempt(() => person.accept(root, 'a.png', 1));
  await person.dispose();
  return said;
}

/** All that lies in a folder, with its content. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    found[path] = entry.isFile() ? await readFile(path, 'utf8') : '';
  }
  return found;
}

const newJob = () => jobWith(['a.png', 'deep/b.png'], new FakeEngine());

/** What a project folder holds: files first, then the folders on the way. */
const FILES: readonly [string, (job: BatchJob) => string][] = [
  ['the journal of a run', ({ root }) => join(journalFolder(root), 'batch-1-of-1.jsonl')],
  ['the journal of a person', ({ root }) => join(journalFolder(root), `${PERSON}.jsonl`)],
  ['the project', ({ root }) => projectFile(root)],
  ['a lock', ({ root }) => join(root, '.apmedsam', 'locks', 'shard-1-of-1.lock')],
  ['the lock of another split', ({ root }) => join(root, '.apmedsam', 'locks', 'shard-1-of-9.lock')],
  ['instances', ({ root }) => instancesFile(root, 'a.png')],
  ['the copy of a support mask', ({ root, references }) => supportMaskCopy(root, references[0])],
];
const FOLDERS: readonly [string, (job: BatchJob) => string][] = [
  ['the project folder', ({ root }) => join(root, '.apmedsam')],
  ['the folder of journals', ({ root }) => journalFolder(root)],
  ['the folder of locks', ({ root }) => join(root, '.apmedsam', 'locks')],
  ['the folder of instances', ({ root }) => join(root, '.apmedsam', 'instances')],
  ['a folder of instances', ({ root }) => join(root, '.apmedsam', 'instances', 'deep')],
  ['the folder of references', ({ root }) => join(root, '.apmedsam', 'references')],
];

describe('links', () => {
  const sentence = (path: string) =>
    `${path} is a link, and inside a project none is followed: put what it leads to in its place.`;

  describe.skipIf(isWindows)('a file that is one', () => {
    test.each(FILES)('%s: nothing is written through it, one sentence', async (_, pathIn) => {
      const job = await newJob();
      const path = pathIn(job);
      const outside = join(dirname(job.root), 'outside');
      const target = await put(join(outside, 'start-up-file'), '# mine\n');
      await mkdir(dirname(path), { recursive: true });
      await symlink(target, path);
      expect(await everything(job)).toContain(sentence(path));
      expect(await contentOf(outside)).toEqual({ [target]: '# mine\n' });
      // One that leads nowhere does not make what it leads to.
      await rm(target);
      expect(await everything(job)).toContain(sentence(path));
      expect(await readdir(outside)).toEqual([]);
    });
  });

  test.skipIf(isWindows)('one in the place of a file that is written whole is replaced itself', async () => {
    const { root } = await newJob();
    const target = await put(join(dirname(root), 'outside'), '# mine\n');
    await mkdir(join(root, '.apmedsam'));
    await symlink(target, projectFile(root));
    await writeAtomic(projectFile(root), projectText(projectOf()), { within: root });
    expect(await loadProject(root)).toEqual(projectOf());
    expect(await readFile(target, 'utf8')).toBe('# mine\n');
  });

  describe('a folder that is one', () => {
    test.each(FOLDERS)('%s: nothing is written through it, one sentence', async (_, pathIn) => {
      const job = await newJob();
      const path = pathIn(job);
      const outside = join(dirname(job.root), 'outside');
      // Old litter of ours there is nobody's to remove either.
      await put(join(outside, '.apmedsam-tmp-1-a'), 'kept');
      const before = await contentOf(outside);
      await mkdir(dirname(path), { recursive: true });
      await symlink(outside, path, isWindows ? 'junction' : undefined);
      expect(await everything(job)).toContain(sentence(path));
      expect(await contentOf(outside)).toEqual(before);
    });
  });

  test('the root itself may be one, and lie behind one', async () => {
    const job = await newJob();
    const top = join(dirname(job.root), 'link');
    await symlink(dirname(job.root), top, isWindows ? 'junction' : undefined);
    expect(await everything({ ...job, root: join(top, 'root') })).toEqual([]);
    const link = join(top, 'link-to-root');
    await symlink(job.root, link, isWindows ? 'junction' : undefined);
    expect(await everything({ ...job, root: link })).toEqual([]);
  });
});

describe.skipIf(isWindows)('pipes and devices hang nothing', () => {
  test.each(FILES)('%s', async (_, pathIn) => {
    const job = await newJob();
    const path = pathIn(job);
    await mkdir(dirname(path), { recursive: true });
    execFileSync('mkfifo', [path]);
    expect(await everything(job)).toContain(`${path} is a pipe, not a file: move it away.`);
  });

  test.each(['pipe', 'device'])('a mask that is a %s fails its image, the others go on', async (nature) => {
    const job = await newJob();
    const path = join(job.root, 'masks', 'a.png');
    await mkdir(dirname(path));
    if (nature === 'pipe') execFileSync('mkfifo', [path]);
    else await symlink('/dev/zero', path);
    const summary = await runBatch(job);
    expect(summary).toMatchObject({ done: 1, failed: 1 });
    expect(summary.failures[0].message).toBe(`${path} is a ${nature}, not a file: move it away.`);
  });
});

describe('files without measure', () => {
  test.each([
    ['project', (job: BatchJob) => projectFile(job.root)],
    ['lock', (job: BatchJob) => join(job.root, '.apmedsam', 'locks', 'shard-1-of-1.lock')],
    ['instances', (job: BatchJob) => instancesFile(job.root, 'a.png')],
    ['mask', (job: BatchJob) => join(job.root, 'masks', 'a.png')],
  ] as const)('%s', async (kind, pathIn) => {
    const job = await newJob();
    const path = await put(pathIn(job), '');
    await truncate(path, 1e9);
    const { name, mostBytes } = FILE_KINDS[kind];
    const most = mostBytes < 1e6 ? `${mostBytes / 1e3} KB` : `${mostBytes / 1e6} MB`;
    expect(await everything(job)).toContain(`${path} is too long for ${name}: it has 1000 MB, of ${most} at most.`);
  });

  test.each(['[', '{"a":'])('a project of 100,000 levels of %s is a sentence', async (level) => {
    const job = await newJob();
    const close = level === '[' ? ']' : '}';
    const deep = `${level.repeat(100_000)}0${close.repeat(100_000)}`;
    const path = await put(projectFile(job.root), deep);
    expect(await refusal(loadProject(job.root))).toContain(path);
    // Where it is kept as it is, too.
    const text = projectText(projectOf()).replace('"parameters": {}', `"parameters": { "x": ${deep} }`);
    await put(path, text);
    expect(await refusal(loadProject(job.root))).toBe(
      `${path} is nested more than 100 levels deep; repair or remove it.`,
    );
  });

  test('a byte order mark before the project is none of it', async () => {
    const job = await newJob();
    await put(projectFile(job.root), `\ufeff${projectText(projectOf())}`);
    expect(await loadProject(job.root)).toEqual(projectOf());
    expect(await everything(job)).toEqual([]);
  });
});

test('no line of a journal leads out of the project', async () => {
  const { root } = await newJob();
  const outside = ['../b.png', '..', 'x/../../../b.png', ...(isWindows ? ['..\\b.png', 'x\\..\\..\\b.png'] : [])];
  const lines = outside.flatMap((path) => [
    lineWith({ image: path }),
    lineWith({ place: path }),
    { kind: 'place', image: 'a.png', place: path, time: lineWith().time },
  ]);
  const path = join(journalFolder(root), 'batch-1-of-1.jsonl');
  await put(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const view = await JournalView.read(root);
  expect([[...view.all()], view.placeOf('a.png'), view.brokenLines]).toEqual([[], undefined, lines.length]);
});

describe('lines from the future', () => {
  const LATER = '2099-01-01T00:00:00.000Z';

  /** A folder that was labelled while the clock was wrong. */
  async function labelledAhead(writer = 'batch-1-of-1'): Promise<BatchJob> {
    const job = await newJob();
    await runBatch(job);
    const path = join(journalFolder(job.root), 'batch-1-of-1.jsonl');
    const lines = (await readFile(path, 'utf8')).trim().split('\n');
    const ahead = lines.map((line) => `${JSON.stringify({ ...JSON.parse(line), time: LATER })}\n`).join('');
    await rm(path);
    await put(join(journalFolder(job.root), `${writer}.jsonl`), ahead);
    return job;
  }

  test.each(['batch-1-of-1', 'batch-1-of-2', 'batch-0'])(
    'of %s are replaced by another run once, not by every run',
    async (writer) => {
      const job = { ...(await labelledAhead(writer)), segmenter: { id: 'segmenter', sha256: 'other' } };
      expect(await runBatch(job)).toMatchObject({ done: 2, skipped: 0 });
      expect(await runBatch(job)).toMatchObject({ done: 0, skipped: 2 });
      expect(await runBatch(job)).toMatchObject({ done: 0, skipped: 2 });
    },
  );

  test('that name another run, before lines of today, need nothing', async () => {
    const job = await labelledAhead();
    const path = join(journalFolder(job.root), 'batch-1-of-1.jsonl');
    const lines = (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line): JournalLine => JSON.parse(line));
    const earlier = lines.map((line) => ({ ...line, run: 'other' }));
    const today = lines.map((line) => ({ ...line, time: '2026-01-01T00:00:00.000Z' }));
    await put(path, [...earlier, ...today].map((line) => `${JSON.stringify(line)}\n`).join(''));
    expect(await runBatch(job)).toMatchObject({ done: 0, skipped: 2 });
  });

  test('give way to a person, and of two persons the later one counts', async () => {
    const job = await labelledAhead();
    const first = new PersonCommitter({ session: 'z' });
    await first.accept(job.root, 'a.png', 1);
    const { time } = (await JournalView.read(job.root)).entry('a.png', 1)!;
    expect(time > LATER).toBe(true);
    await first.dispose();
    const second = new PersonCommitter({ session: 'a' });
    const drawn = labels(Array.from({ length: SIZE.width * SIZE.height }, (_, i) => (i === 0 ? 1 : 0)));
    const { mask: opened } = (await JournalView.read(job.root)).entry('a.png', 1)!;
    const work = [{ classId: 1, by: 'person' as const }];
    await second.save(job.root, { image: 'a.png', labels: drawn, opened, file: null, work });
    await second.dispose();
    expect((await JournalView.read(job.root)).entry('a.png', 1)?.status).toBe('edited');
    expect(await runBatch(job)).toMatchObject({ kept: 1, skipped: 1 });
  });
});
