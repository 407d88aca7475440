/** The batch process as the extension meets it: a real process, engines without models. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path, { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { JournalView } from '../../src/dataset/journal/journalView';
import { projectFile } from '../../src/dataset/project/project';
import { makeReference } from '../../src/dataset/project/reference';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { ChildCrashError } from '../../src/processes/child';
import type { FolderProgress, RunnerConfig } from '../../src/protocol/runnerApi';
import { RunnerClient, type RunnerClientOptions } from '../../src/runner/runnerClient';
import { childrenOf, filesIn, isRunning, models, repository, sampleImage, sampleMask, Workshop } from '../cli/runCli';
import { CLASSES, imageBytes, labels, projectOf, put, putImages } from '../dataset/fixtures';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';

/** Whether a folder can be made read-only in a world of its own: root may write wherever modes forbid it. */
const mountable = (() => {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('test/runner: a read-only disk is NOT tested here: "unshare -rm mount" is not permitted');
    return false;
  }
})();

const runnerEntry = path.join(repository, 'dist', 'runner.js');
const workshop = new Workshop();
const clients: RunnerClient[] = [];
let dir: string;
let config: RunnerConfig;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-runner-'));
  await build({
    entryPoints: ['labellingEngine.ts', 'window.ts'].map((name) => join(import.meta.dirname, 'fixtures', name)),
    outdir: dir,
    bundle: true,
    platform: 'node',
    logLevel: 'warning',
  });
  config = {
    engineEntry: join(dir, 'labellingEngine.js'),
    engine: { modelsDir: models, homeDir: join(dir, 'home'), cacheBytes: 1e8, pixelLimit: 1e8 },
    engines: 1,
  };
});
afterEach(() => Promise.all(clients.splice(0).map((client) => client.dispose())));
afterAll(() => rm(dir, { recursive: true }));

function client(options: Partial<RunnerClientOptions> = {}): RunnerClient {
  const made = new RunnerClient({ entry: runnerEntry, config, ...options });
  clients.push(made);
  return made;
}

/** A folder with these images and a reference beside it. */
async function folder(images: readonly string[], changes: Parameters<typeof projectOf>[0] = {}): Promise<string> {
  const base = await workshop.newFolder();
  const root = join(base, 'root');
  await mkdir(root);
  await putImages(root, images);
  const image = await put(join(base, 'reference.png'), imageBytes('reference'));
  const mask = await put(join(base, 'mask.png'), encodeMaskPng(labels([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]), CLASSES));
  const references = await Promise.all([1].map((id) => makeReference(root, id, image, mask)));
  await saveProject(root, projectOf({ references, ...changes }));
  return root;
}

const job = (...targets: string[]) => ({ targets, overwrite: 'replace-auto' }) as const;
const slow = (count: number) => Array.from({ length: count }, (_, i) => `slow-${String(i).padStart(3, '0')}.png`);
const masksIn = (root: string) => filesIn(join(root, 'masks'));
const NONE = { done: 0, skipped: 0, kept: 0, absent: 0, failed: 0 };

/** Resolves when a job has finished its first image, with the ids of the runner and its engines. */
function firstImage(runner: RunnerClient) {
  let seen: (pids: { runner: number; engines: readonly number[] }) => void;
  const pids = new Promise<{ runner: number; engines: readonly number[] }>((resolve) => {
    seen = resolve;
  });
  const onProgress = () => seen({ runner: runner.pid!, engines: childrenOf(runner.pid!) });
  return { pids, onProgress };
}

const gone = (pids: readonly number[]) =>
  vi.waitFor(() => expect(pids.filter(isRunning)).toEqual([]), { timeout: 5000, interval: 50 });

describe('a folder', () => {
  it('is labelled in another process, with its stored reference, and told as it goes', async () => {
    const root = await folder(['images/a.png', 'images/sub/b.png', 'images/bad.png']);
    const runner = client();
    expect(runner.pid).toBeUndefined();
    const notes: string[] = [];
    const reports: FolderProgress[] = [];
    const summary = await runner.labelFolder(job(join(root, 'images')), {
      onNote: (note) => notes.push(note),
      onProgress: (progress) => reports.push(progress),
    });
    expect(summary).toMatchObject({ ...NONE, done: 2, failed: 1, total: 3, root, cancelled: false, nested: [] });
    expect(summary).toMatchObject({ brokenLines: 0, device: 'fake', engines: 1 });
    expect(summary.failures).toEqual([
      { image: 'images/bad.png', message: `${join(root, 'images', 'bad.png')} is damaged.` },
    ]);
    expect(await masksIn(root)).toEqual(['a.png', 'sub/b.png']);
    expect(notes).toEqual(['thin object']);
    expect(reports.flatMap(({ images }) => images).sort()).toEqual([
      'images/a.png',
      'images/bad.png',
      'images/sub/b.png',
    ]);
    expect(reports.at(-1)).toMatchObject({ done: 2, failed: 1, total: 3, etaSeconds: 0 });
    expect(isRunning(runner.pid!)).toBe(true);
    expect(childrenOf(runner.pid!)).toEqual([]);
    expect(await runner.labelFolder(job(root))).toMatchObject({ skipped: 2, failed: 1, done: 0 });
  });

  it('of many images is reported ten times a second, every image once', async () => {
    const images = Array.from({ length: 400 }, (_, i) => `${String(i).padStart(3, '0')}.png`);
    const root = await folder(images);
    const reports: FolderProgress[] = [];
    const times: number[] = [];
    const started = performance.now();
    await client().labelFolder(job(root), {
      onProgress: (progress) => {
        reports.push(progress);
        times.push(performance.now() - started);
      },
    });
    expect(reports.flatMap((report) => report.images).sort()).toEqual(images);
    expect(reports.at(-1)).toMatchObject({ done: 400, total: 400 });
    // The first and the last one are told at once.
    expect(reports.length).toBeLessThanOrEqual(2 + (times.at(-1)! - times[0]) / 100);
    expect(reports.length).toBeGreaterThan(1);
  });

  it('without a reference or without images is refused in the words of an editor, with several classes does all', async () => {
    const runner = client();
    const none = await folder(['a.png'], { references: [] });
    expect(await refusal(runner.labelFolder(job(none)))).toBe(
      `${none} has no reference yet: open a labelled image and choose "Use as Reference".`,
    );
    const several = await folder(['a.png']);
    const { references, ...project } = JSON.parse(await readFile(projectFile(several), 'utf8'));
    await saveProject(several, { ...project, references: [...references, { ...references[0], class: 2 }] });
    const classesOf = async (root: string) => [...(await JournalView.read(root)).classes];
    expect(await runner.labelFolder({ ...job(several), classNames: ['vessel'] })).toMatchObject({ done: 1 });
    expect(await classesOf(several)).toEqual([2]);
    expect(await runner.labelFolder(job(several))).toMatchObject({ done: 1, total: 1 });
    expect(await classesOf(several)).toEqual([2, 1]);
    const empty = await folder([]);
    expect(await refusal(runner.labelFolder(job(empty)))).toMatch(/holds no images/);
    expect(await refusal(runner.labelFolder(job(join(empty, 'gone'))))).toMatch(/gone does not exist/);
  });

  it('with real models', async () => {
    const root = await workshop.sampleFolder([2]);
    const references = [await makeReference(root, 1, sampleImage(1), sampleMask(1))];
    const embedded = { encoder: 'embedded', segmenter: 'embedded', parameters: { ablation: { prior: false } } };
    await saveProject(root, projectOf({ references, ...embedded }));
    const real = { ...config, engineEntry: path.join(repository, 'dist', 'engine.js') };
    expect(await client({ config: real }).labelFolder(job(root))).toMatchObject({ done: 1, total: 1, device: 'cpu' });
    expect(await masksIn(root)).toEqual(['nuclei_02.png']);
  });
});

describe('several folders', () => {
  it('take turns in the order of the calls, and each hears only of itself', async () => {
    const roots = [await folder(slow(3)), await folder(slow(2)), await folder(['a.png'])];
    const runner = client();
    const log: string[] = [];
    const summaries = await Promise.all(
      roots.map((root, i) =>
        runner.labelFolder(job(root), {
          onBegin: () => log.push(`begin ${i}`),
          onProgress: ({ images }) => log.push(...images.map(() => `image ${i}`)),
        }),
      ),
    );
    expect(summaries.map(({ root, done }) => [root, done])).toEqual(roots.map((root, i) => [root, 3 - i]));
    expect(log.join()).toBe('begin 0,image 0,image 0,image 0,begin 1,image 1,image 1,begin 2,image 2');
  });

  it('a failure of one is no failure of the next', async () => {
    const runner = client();
    const [bad, good] = await Promise.allSettled([
      runner.labelFolder(job(await folder(['a.png'], { references: [] }))),
      runner.labelFolder(job(await folder(['a.png']))),
    ]);
    expect([bad.status, good.status]).toEqual(['rejected', 'fulfilled']);
  });

  it('one that waits for its turn is cancelled at once and never begins', async () => {
    const runner = client();
    const first = runner.labelFolder(job(await folder(slow(4))));
    const root = await folder(['a.png']);
    const abort = new AbortController();
    const onBegin = vi.fn();
    const second = runner.labelFolder(job(root), { signal: abort.signal, onBegin });
    abort.abort();
    expect(await Promise.race([first, second])).toMatchObject({ ...NONE, root, cancelled: true, total: 0 });
    expect(await first).toMatchObject({ done: 4, cancelled: false });
    expect(onBegin).not.toHaveBeenCalled();
    expect(await masksIn(root)).toEqual([]);
  });

  it('of two runners the second is told who is there', async () => {
    const root = await folder(slow(20));
    const first = client();
    const { pids, onProgress } = firstImage(first);
    const labelling = first.labelFolder(job(root), { onProgress });
    await pids;
    const message = await refusal(client().labelFolder(job(root)));
    expect(message).toMatch(
      new RegExp(`^${root} is already being processed by process ${first.pid} on \\S+ since \\S+\\.$`),
    );
    expect(await labelling).toMatchObject({ done: 20 });
  });
});

describe('cancelling', () => {
  it('ends in order with what is done, and the folder is taken up again', async () => {
    const root = await folder(slow(30));
    const runner = client();
    const abort = new AbortController();
    const { pids, onProgress } = firstImage(runner);
    const labelling = runner.labelFolder(job(root), { signal: abort.signal, onProgress });
    const { runner: pid, engines } = await pids;
    abort.abort();
    const summary = await labelling;
    expect(summary).toMatchObject({ cancelled: true, failed: 0, total: 30, device: 'fake' });
    expect(summary.done).toBeGreaterThan(0);
    expect(summary.done).toBeLessThan(30);
    expect(await masksIn(root)).toHaveLength(summary.done);
    expect(await readdir(join(root, '.apmedsam', 'locks'))).toEqual([]);
    await gone(engines);
    expect(runner.pid).toBe(pid);
    const again = await runner.labelFolder(job(root));
    expect(again).toMatchObject({ skipped: summary.done, done: 30 - summary.done, cancelled: false });
  });

  it('before the engines have started needs no image', async () => {
    const root = await folder(slow(3));
    const abort = new AbortController();
    const onBegin = () => void setTimeout(() => abort.abort(), 1);
    const summary = await client().labelFolder(job(root), { signal: abort.signal, onBegin });
    expect(summary).toMatchObject({ cancelled: true, done: 0, total: 3 });
  });

  it('a job that was cancelled before the call starts nothing', async () => {
    const runner = client();
    const summary = await runner.labelFolder(job(await folder(['a.png'])), { signal: AbortSignal.abort() });
    expect(summary).toMatchObject({ cancelled: true, total: 0 });
    expect(runner.pid).toBeUndefined();
  });

  it('waits for an engine in the middle of an inference, which is killed when it takes too long', async () => {
    const root = await folder(['a.png', 'hangs.png', 'z.png']);
    const runner = client();
    const abort = new AbortController();
    const { pids, onProgress } = firstImage(runner);
    const labelling = runner.labelFolder(job(root), { signal: abort.signal, onProgress });
    const { runner: pid, engines } = await pids;
    abort.abort();
    expect(await labelling).toMatchObject({ cancelled: true, done: 1, failed: 0, total: 3 });
    expect(runner.pid).toBe(pid);
    await gone(engines);
  });

  it('kills a process that overstays, and says what is known', async () => {
    const root = await folder(slow(20));
    const lines: string[] = [];
    const runner = client({ cancelGraceMs: 200, log: (line) => lines.push(line) });
    const abort = new AbortController();
    const { pids, onProgress } = firstImage(runner);
    const labelling = runner.labelFolder(job(root), { signal: abort.signal, onProgress });
    const { runner: pid, engines } = await pids;
    process.kill(pid, 'SIGSTOP');
    abort.abort();
    const summary = await labelling;
    expect(summary).toMatchObject({ cancelled: true, failed: 0, total: 20, root, device: null });
    expect(summary.done).toBeGreaterThan(0);
    expect(lines).toEqual(['the batch did not stop in time; its process is killed']);
    expect(isRunning(pid)).toBe(false);
    await gone(engines);
    expect(await runner.labelFolder(job(root))).toMatchObject({ total: 20, failed: 0, cancelled: false });
  });
});

describe.skipIf(process.platform === 'win32')('what dies', () => {
  it('a runner that is killed is one sentence, its engines go, and the next call goes on', async () => {
    const root = await folder(slow(30));
    const runner = client();
    const { pids, onProgress } = firstImage(runner);
    const labelling = runner.labelFolder(job(root), { onProgress });
    const waiting = runner.labelFolder(job(await folder(['a.png'])));
    labelling.catch(() => undefined);
    const { runner: pid, engines } = await pids;
    expect(engines).toHaveLength(1);
    process.kill(pid, 'SIGKILL');
    expect(await refusal(labelling)).toBe(
      `Labelling ${root} ended early because its process did (signal SIGKILL): what is done is kept, start it again to go on.`,
    );
    await expect(labelling).rejects.toMatchObject({ cause: expect.any(ChildCrashError) });
    expect(await waiting).toMatchObject({ done: 1 });
    await gone(engines);
    expect(runner.pid).not.toBe(pid);
    const done = (await masksIn(root)).length;
    expect(done).toBeGreaterThan(0);
    const again = await runner.labelFolder(job(root));
    expect(again).toMatchObject({ skipped: done, done: 30 - done, failed: 0, total: 30 });
    expect(await readdir(join(root, '.apmedsam', 'locks'))).toEqual([]);
  });

  it('an engine that is killed costs nothing but time', async () => {
    const root = await folder(slow(12));
    const lines: string[] = [];
    const runner = client({ log: (line) => lines.push(line) });
    const { pids, onProgress } = firstImage(runner);
    const labelling = runner.labelFolder(job(root), { onProgress });
    kill((await pids).engines[0]);
    expect(await labelling).toMatchObject({ done: 12, failed: 0 });
    expect(lines).toEqual([
      'engine: the engine process ended with signal SIGKILL; repeating what it was doing in a new process',
    ]);
  });

  it('an image that kills its engine once is labelled by the next one', async () => {
    const root = await folder(['a.png', 'dies.png', 'z.png']);
    expect(await client().labelFolder(job(root))).toMatchObject({ done: 3, failed: 0 });
  });

  it('a window that closes takes runner and engines along, and the folder can be taken up', async () => {
    const root = await folder(slow(40));
    const window = spawn(process.execPath, [join(dir, 'window.js'), runnerEntry, JSON.stringify(config), root], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await new Promise<Buffer[]>((done) => window.stdout.once('data', (...data) => done(data)));
    const pid = Number(String(line));
    const engines = childrenOf(pid);
    expect(engines).toHaveLength(1);
    window.kill('SIGKILL');
    await gone([pid, ...engines]);
    const done = (await masksIn(root)).length;
    expect(done).toBeLessThan(40);
    const again = await client().labelFolder(job(root));
    expect(again).toMatchObject({ failed: 0, total: 40 });
    expect(again.skipped).toBeGreaterThanOrEqual(done);
  });

  it('engines that cannot start are one sentence', async () => {
    const root = await folder(['a.png'], { encoder: 'no start' });
    expect(await refusal(client().labelFolder(job(root)))).toBe(
      'The segmentation engine could not start: Error: libvips.so is missing.',
    );
  });

  it('a runner that cannot start is one sentence', async () => {
    const root = await folder(['a.png']);
    expect(await refusal(client({ entry: join(dir, 'none.js') }).labelFolder(job(root)))).toMatch(
      /^Labelling .*root could not start: Error: Cannot find module '.*none\.js'\.$/,
    );
  });

  it('what is disposed rejects its jobs and leaves nobody behind', async () => {
    const root = await folder(slow(40));
    const runner = client();
    const { pids, onProgress } = firstImage(runner);
    const labelling = runner.labelFolder(job(root), { onProgress });
    const waiting = runner.labelFolder(job(root));
    const outcomes = Promise.allSettled([labelling, waiting]);
    const { runner: pid, engines } = await pids;
    await runner.dispose();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await gone([pid, ...engines]);
    await runner.dispose();
  });

  it('a process without work goes after a while', async () => {
    const runner = client({ lingerMs: 50 });
    const root = await folder(['a.png']);
    await runner.labelFolder(job(root));
    const { pid } = runner;
    await gone([pid!]);
    expect(runner.pid).toBeUndefined();
    expect(await runner.labelFolder(job(root))).toMatchObject({ skipped: 1 });
  });
});

describe.skipIf(!mountable)('a disk that cannot be written to', () => {
  it('is one sentence', async () => {
    const root = await folder(['a.png']);
    const script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"';
    const window = ['node', join(dir, 'window.js'), runnerEntry, JSON.stringify(config), root];
    const output = execFileSync('unshare', ['-rm', 'sh', '-c', script, 'sh', root, ...window], { encoding: 'utf8' });
    expect(output).toBe(`The disk is read-only: cannot write ${join(root, 'masks')}.\n`);
  });
});

describe('the bundle', () => {
  it('loads no native library', async () => {
    const code = await readFile(runnerEntry, 'utf8');
    expect(code).not.toMatch(/require\("(onnxruntime-node|sharp|vscode)"\)/);
  });
});

/** A process that has just ended by itself needs no kill. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
