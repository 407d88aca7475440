/**
 * What a stranger meets first: help, versions, exit codes, refusals in one sentence, and results that programs can
 * read.
 */
import { appendFile, copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { complaint, filesIn, fingerprint, jsonLines, models, QUICK, referenceArgs, Workshop } from './runCli';

const workshop = new Workshop();

const ENGINE = ['encoder', 'segmenter', 'device', 'engines', 'threads', 'verbose'];
const STRATEGY = ['strategy', 'preset', 'without', 'views', 'scale', 'min-trust'];

/** Every command and its options. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  segment: [
    ...[
      'reference',
      'mask',
      'mask-value',
      'add',
      'out',
      'class',
      'overwrite',
      'learn-from',
      'again-below',
      'shard',
      'save-overlays',
      'bands',
      'json',
    ],
    ...STRATEGY,
    'image-timeout',
    ...ENGINE,
  ],
  suggest: ['class', 'count', 'image-timeout', ...ENGINE, 'json'],
  evaluate: [
    ...['data', 'masks', 'mask-value', 'class', 'references', 'reference', 'targets', 'save-overlays', 'json'],
    'image-timeout',
    ...STRATEGY,
    ...ENGINE,
  ],
  export: ['format', 'out', 'states', 'json'],
  'models list': ['json'],
  'models download': ['kind', 'mirror', 'ca-file', 'accept', 'json'],
  'models remove': ['kind', 'json'],
  'models verify': ['kind', 'json'],
  'models import': ['as', 'id', 'kind', 'family', 'title', 'licence', 'side', 'accept', 'json'],
  devices: ['probe', 'encoder', 'segmenter', 'verbose', 'json'],
  'devices install-cuda': ['yes', 'from', 'mirror', 'ca-file', 'sha256'],
  'devices remove-cuda': [],
  'cache info': ['json'],
  'cache clear': [],
};

describe('help', () => {
  it('lists the commands', async () => {
    for (const args of [['--help'], ['help']]) {
      const { code, stdout, stderr } = await workshop.run(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const command of Object.keys(COMMANDS)) expect(stdout).toMatch(new RegExp(`^  ${command} {2,}\\S`, 'm'));
      expect(stdout).toContain('Exit codes: 0 all done; 1 some images failed');
    }
  });

  it('is shown where no command is given, which is no success', async () => {
    const { code, stdout, stderr } = await workshop.run([]);
    expect(code).toBe(2);
    expect(stdout + stderr).toContain('Usage: ap-medsam <command> [options]');
  });

  it.concurrent.each(Object.entries(COMMANDS))(
    'of %s names its options and gives an example',
    async (command, options) => {
      const { code, stdout, stderr } = await workshop.run([...command.split(' '), '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`Usage: ap-medsam ${command}`);
      const named = [...stdout.matchAll(/^ {2}--([\w-]+)(?: <[^>]+>)? {2,}\S/gm)].map(([, name]) => name);
      expect(named.sort()).toEqual([...options, 'help'].sort());
      expect(stdout).toMatch(new RegExp(`^Examples:\n {2}ap-medsam ${command}\\b`, 'm'));
      expect(
        Math.max(
          ...stdout
            .split('\nOptions:')[1]
            .split('\nExamples:')[0]
            .split('\n')
            .map((line) => line.length),
        ),
      ).toBeLessThanOrEqual(100);
    },
  );

  it('of segment says what is used where an option is not given', async () => {
    const { stdout } = await workshop.run(['segment', '--help']);
    const flat = stdout.replace(/\s+/g, ' ');
    for (const preset of ['replace-auto', 'masks']) expect(flat).toContain(`(default: ${preset})`);
    for (const preset of ['ap-medsam', 'embedded'])
      expect(flat).toContain(`default: ${preset}, or what the project says`);
  });

  it('is found in every way that people try', async () => {
    const { stdout } = await workshop.run(['segment', '--help']);
    for (const args of [
      ['help', 'segment'],
      ['segment', '-h'],
    ]) {
      expect(await workshop.run(args)).toMatchObject({ code: 0, stdout });
    }
    expect(await workshop.run(['models', '--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/models list[\s\S]*models verify[\s\S]*models import/),
    });
    expect(await workshop.run(['models'])).toMatchObject({ code: 2, stdout: expect.stringContaining('models list') });
  });

  it('gives the version of the package', async () => {
    const { version } = JSON.parse(await readFile(path.join(models, '..', 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(await workshop.run(['--version'])).toMatchObject({ code: 0, stdout: `ap-medsam ${version}\n`, stderr: '' });
  });
});

describe('a command line that makes no sense gets exit code 2 and one sentence', () => {
  const KNOWN = Object.keys(COMMANDS).join(', ');
  const cases: readonly (readonly [args: string, message: string | RegExp])[] = [
    [
      'segment . --device gpu',
      /^--device should be one of auto, cpu, cuda, tensorrt, directml, coreml, webgpu, got "gpu"\. See/,
    ],
    ['devices install-cuda --sha256 abc', /^--sha256 should be 64 hexadecimal digits, got "abc"\. See/],
    ['label images', `there is no command "label"; known: ${KNOWN}`],
    [
      'models delete',
      'there is no command "models delete"; known: models list, models download, models remove, models verify, models import',
    ],
    ['models remove', 'name the models, see "ap-medsam models list". See "ap-medsam models remove --help".'],
    ['models download', /^name the models, see "ap-medsam models list"\. See/],
    ['models download nothing', /^there is no model called "nothing"; known: embedded, dinov2-small, .*\. See/],
    ['models download mobile-sam --kind encoder', /^there is no encoder called "mobile-sam"; known: embedded, dinov2-/],
    ['models verify embedded', /^"embedded" is an encoder and a segmenter: say which with --kind\. See/],
    [
      'models import a.onnx --as dinov2-small --family dinov2',
      /^--as knows what the model is; leave --family out\. See/,
    ],
    ['models import --as dinov2-small', /^name the files to import\. See/],
    ['segment', 'name the folder or the images to label. See "ap-medsam segment --help".'],
    ['segment . --colour red', `Unknown option '--colour'. See "ap-medsam segment --help".`],
    ['segment . --reference', /^--reference needs a value\. See/],
    ['segment . --reference --json', /^--reference needs a value\. See/],
    ['segment . --json=yes', /^Option '--json' does not take an argument\. See/],
    ['segment . --strategy best', /^there is no strategy "best"; known: ap-medsam, gbmseg, matcher, cluster\. See/],
    ['segment . --preset best', /^there is no preset "best"; known: object, semantic, part, regions, prompt\. See/],
    ['segment . --without colour', /^--without knows the stages backward, .*, not "colour"\. See/],
    ['segment . --engines 0', /^--engines should be a whole number of at least 1, got "0"\. See/],
    ['segment . --threads many', /^--threads should be a whole number of at least 1, got "many"\. See/],
    ['segment . --learn-from all', /^--learn-from should be reviewed or references, got "all"\. See/],
    ...['', '-1', '1.5', 'low'].map(
      (trust) =>
        [
          `segment . --again-below=${trust}`,
          /^--again-below should be a trust from 0 to 1, such as 0\.7, got/,
        ] as const,
    ),
    [
      'segment . --again-below 0.7 --overwrite skip',
      /^--again-below makes masks anew, which --overwrite skip forbids\. See/,
    ],
    ['segment . --overwrite all', /^--overwrite should be replace-auto or skip, got "all"\. See/],
    ...['2', '0/2', '3/2', '1/2/3', 'a/b'].map(
      (shard) =>
        [
          `segment . --shard=${shard}`,
          `--shard should be i/n with i from 1 to n, such as 2/8, got "${shard}". See "ap-medsam segment --help".`,
        ] as const,
    ),
    [
      'segment . --save-overlays out',
      /^--save-overlays \S+out lies in \S+, which is being labelled: choose another folder\. See/,
    ],
    ['evaluate', 'name the folder with --data. See "ap-medsam evaluate --help".'],
    ['evaluate data', /^evaluate takes options only, got "data"\. See/],
    ['models list foo', /^models list takes options only, got "foo"\. See/],
    ['cache clear foo', /^cache clear takes options only, got "foo"\. See/],
    ['evaluate --data . --class x', /^--class should be a whole number of at least 1, got "x"\. See/],
    ['models import a.onnx --kind encoder', /^--id is missing\. See "ap-medsam models import --help"\.$/],
    [
      'models import a.onnx --id a --kind eye --family embedded',
      /^--kind should be encoder or segmenter, got "eye"\. See/,
    ],
    [
      'models import a.onnx --id a --kind encoder --family sam',
      /^--family for --kind encoder should be embedded or dinov2 or dinov3, got "sam"\. See/,
    ],
    ['models import --id a --kind encoder --family embedded', /^name the ONNX file to import\. See/],
    [
      'models import a.onnx --id a --kind segmenter --family sam',
      /^The model "a" cannot be imported: family "sam" needs 2 ONNX files \(encoder and decoder\), found 1\.$/,
    ],
    ['cache clear --json', /^Unknown option '--json'\. See "ap-medsam cache clear --help"\.$/],
  ];
  it.concurrent.each(cases)('%s', async (args, message) => {
    const cwd = await workshop.newFolder();
    const said = complaint(await workshop.run(args.split(' '), { cwd }));
    if (typeof message === 'string') expect(said).toBe(message);
    else expect(said).toMatch(message);
    expect(await filesIn(cwd)).toEqual([]);
  });
});

describe('models', () => {
  it('are imported, listed and verified, and an altered file is found', async () => {
    const home = path.join(await workshop.newFolder(), 'home');
    const graph = path.join(models, 'embedded-encoder.onnx');
    const importing = ['models', 'import', graph, '--id', 'mine', '--kind', 'encoder', '--family', 'embedded'];
    const imported = await workshop.run([...importing, '--title', 'My own'], { home });
    expect(imported).toMatchObject({ code: 0, stderr: '' });
    expect(imported.stdout).toMatch(
      /^Imported the encoder "mine" \(embedded-encoder\.onnx, 2\.1 MB, SHA-256 [0-9a-f]{64}\)\.\n$/,
    );
    expect(complaint(await workshop.run(importing, { home }))).toBe(
      'There already is a user encoder called "mine"; choose another name.',
    );

    const table = await workshop.run(['models', 'list'], { home });
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/^\| id +\| +kind \|/);
    expect(table.stdout).toMatch(
      /^\| mine +\| +encoder \| +embedded \| +2\.1 MB \| +user \| +imported \| +My own \|$/m,
    );
    const rows = jsonLines((await workshop.run(['models', 'list', '--json'], { home })).stdout);
    expect(rows.slice(0, 3)).toMatchObject([
      {
        id: 'mine',
        kind: 'encoder',
        family: 'embedded',
        title: 'My own',
        source: 'user',
        state: 'imported',
        bytesHere: 2_138_533,
        files: [{ bytes: 2_138_533 }],
      },
      { id: 'embedded', kind: 'encoder', source: 'shipped' },
      { id: 'embedded', kind: 'segmenter', source: 'shipped' },
    ]);

    const well = await workshop.run(['models', 'verify'], { home });
    expect(well).toMatchObject({ code: 0, stdout: 'encoder mine: ok\nencoder embedded: ok\nsegmenter embedded: ok\n' });

    const copy = path.join(home, 'models', 'encoder-mine', 'embedded-encoder.onnx');
    const verify = async () => {
      const { code, stdout } = await workshop.run(['models', 'verify', '--json'], { home });
      expect(code).toBe(1);
      const [first, ...others] = jsonLines(stdout);
      expect(others).toEqual([
        { kind: 'encoder', id: 'embedded', ok: true },
        { kind: 'segmenter', id: 'embedded', ok: true },
      ]);
      expect(first).toMatchObject({ kind: 'encoder', id: 'mine', ok: false });
      return (first as { problem: string }).problem;
    };
    await truncate(copy, 2_138_532);
    expect(await verify()).toBe(`The model file ${copy} is truncated: expected 2138533 bytes, found 2138532.`);
    await appendFile(copy, 'x');
    expect(await verify()).toMatch(/ has the wrong content: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}\.$/);
    await rm(copy);
    expect(await verify()).toBe(`The model file ${copy} is missing.`);
    await copyFile(graph, copy);
    expect(await workshop.run(['models', 'verify'], { home })).toMatchObject({ code: 0 });
  });
});

describe('results for programs, progress for people', () => {
  it('segment, cache: JSON on stdout, words on stderr', async () => {
    const home = path.join(await workshop.newFolder(), 'home');
    const root = await workshop.sampleFolder([2, 3]);
    const labelled = await workshop.run(['segment', 'images', ...referenceArgs(1), ...QUICK, '--json'], {
      cwd: root,
      home,
    });
    expect(labelled.code).toBe(0);
    const rows = jsonLines(labelled.stdout) as { image: string }[];
    expect(rows.sort((a, b) => (a.image < b.image ? -1 : 1))).toEqual(
      [2, 3].map((n) => ({
        image: `images/nuclei_0${n}.png`,
        class: 'object',
        instances: [],
        mask: path.join(root, 'masks', `nuclei_0${n}.png`),
        outcome: 'done',
        trust: expect.closeTo(0.8, 0),
        trustParts: expect.objectContaining({ stability: expect.closeTo(0.9, 0), borderKept: expect.any(Number) }),
        iouPrediction: expect.closeTo(0.8, 0),
        milliseconds: expect.any(Number),
        notes: [],
      })),
    );
    expect(labelled.stderr).toMatch(
      /^(?:Note: .*\n)*1\/2, \d+\.\d images\/s, \d+ s left\n(?:.*\n)*2 labelled of 2 images in \d+ s\.\n$/,
    );

    const before = jsonLines((await workshop.run(['cache', 'info', '--json'], { home })).stdout);
    const about = (
      cache: string,
      folder: string,
      counts = { entries: expect.any(Number), bytes: expect.any(Number) },
    ) => ({
      cache,
      dir: path.join(home, folder),
      ...counts,
      capBytes: 2 ** 31,
    });
    expect(before).toEqual([about('embeddings', 'cache'), about('pictures', 'display', { entries: 0, bytes: 0 })]);
    const { entries } = before[0] as { entries: number };
    expect(entries).toBeGreaterThan(0);
    expect(await filesIn(path.join(home, 'cache'))).toHaveLength(entries);

    // A pyramid of tiles, as the editor has it drawn, beside a file of somebody else's.
    const pyramid = path.join(home, 'display', `${'0'.repeat(64)}.tiles`);
    await mkdir(path.join(pyramid, '0'), { recursive: true });
    await writeFile(path.join(pyramid, '0', '0_0.png'), Buffer.alloc(200_000));
    await writeFile(path.join(home, 'display', 'notes.txt'), 'mine');
    const cleared = await workshop.run(['cache', 'clear'], { home });
    expect(cleared).toMatchObject({ code: 0, stderr: '' });
    expect(cleared.stdout).toMatch(
      new RegExp(
        `^Removed ${entries} entries of embeddings, [\\d.]+ MB\\.\nRemoved 1 entries of pictures, 0\\.2 MB\\.\n$`,
      ),
    );
    expect(await filesIn(path.join(home, 'cache'))).toEqual([]);
    expect(await filesIn(path.join(home, 'display'))).toEqual(['notes.txt']);
    expect((await workshop.run(['cache', 'info'], { home })).stdout).toMatch(
      /^embeddings: 0 entries, 0\.0 MB of at most 2147 MB in .*\npictures: 0 entries, 0\.0 MB of at most 2147 MB in /,
    );
  });

  it('evaluate prints a Markdown table, or a row per image, and writes nothing but overlays', async () => {
    const data = path.join(models, 'samples', 'nuclei');
    const before = await fingerprint(data);
    const overlays = await workshop.newFolder();
    const args = ['evaluate', '--data', data, ...QUICK, '--targets', '1'];
    const table = await workshop.run([...args, '--references', '2', '--save-overlays', overlays]);
    expect(table.code).toBe(0);
    const lines = table.stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(
      /^\| reference +\| images \| Dice mean \| median \| +std \| IoU mean \| median \| boundary F \| trust \| +rho \| absent \|$/,
    );
    expect(lines[1]).toMatch(/^\| -+ \|(?: -+: \|){10}$/);
    const references = lines.slice(2).map((line) => line.split('|')[1].trim());
    expect(references).toEqual([expect.stringMatching(/^images\/nuclei_\d\d\.png$/), expect.any(String), 'all']);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    const dice = Number(lines.at(-1)!.split('|')[3]);
    expect(dice).toBeGreaterThan(0.75);
    expect(dice).toBeLessThanOrEqual(1);
    const stems = references.slice(0, 2).map((name) => path.posix.basename(name, '.png'));
    expect(await filesIn(overlays)).toEqual(
      stems.sort().map((stem) => expect.stringMatching(`^images_${stem}-to-images_nuclei_\\d\\d\\.overlay\\.png$`)),
    );
    for (const name of await filesIn(overlays)) {
      expect((await readFile(path.join(overlays, name))).subarray(1, 4).toString()).toBe('PNG');
    }

    const json = await workshop.run([...args, '--reference', 'nuclei_03.png', '--json']);
    expect(json).toMatchObject({ code: 0, stderr: '' });
    const [row, ...more] = jsonLines(json.stdout);
    expect(more).toEqual([]);
    expect(row).toMatchObject({ reference: 'images/nuclei_03.png', outcome: 'mask' });
    for (const measure of ['dice', 'iou', 'boundaryF', 'iouPrediction', 'trust'] as const) {
      expect((row as Record<string, number>)[measure]).toBeGreaterThan(0.5);
    }
    expect(await fingerprint(data)).toEqual(before);
  });

  it('evaluate says what it needs', async () => {
    const root = await workshop.sampleFolder([1, 2]);
    expect(complaint(await workshop.run(['evaluate', '--data', root]))).toBe(
      `${root} holds 0 images with masks in ${path.join(root, 'masks')}; expected at least two: a reference and a target.`,
    );
    const missing = path.join(root, 'nowhere');
    expect(complaint(await workshop.run(['evaluate', '--data', missing]))).toBe(
      `${missing} does not exist or cannot be read.`,
    );
    const data = path.join(models, 'samples', 'nuclei');
    expect(complaint(await workshop.run(['evaluate', '--data', data, '--reference', 'c.png']))).toBe(
      '--reference: c.png is not among the images that have a mask. See "ap-medsam evaluate --help".',
    );
  });
});
