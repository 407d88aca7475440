/** What stands before a batch: settings, the choice of a reference, and what of it reaches the disk. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path, { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_PARAMETERS, NO_ABLATION } from '../../src/core/strategies/strategy';
import { UserError } from '../../src/core/userError';
import { loadProject, type Project, projectFile } from '../../src/dataset/project/project';
import {
  chooseReference,
  openProject,
  projectStrategy,
  type ReferenceChoice,
  type SetUp,
  storeSetUp,
} from '../../src/dataset/project/setUp';
import { sha256 } from '../../src/disk/hashing';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';
import {
  CLASSES,
  exists,
  FakeEngine,
  imageBytes,
  labels,
  projectOf,
  put,
  putImages,
  temporaryFolder,
} from './fixtures';

const TOP = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
const maskBytes = (values: readonly number[] = TOP) => encodeMaskPng(labels(values), CLASSES);

const NEW: Project = {
  version: 1,
  classes: [],
  references: [],
  strategy: 'ap-medsam',
  parameters: { ablation: NO_ABLATION },
  encoder: 'embedded',
  segmenter: 'embedded',
  maskFolder: 'masks',
};

const engine = new FakeEngine();
const store = (root: string, setUp: SetUp) => storeSetUp(root, setUp, engine);

/** A root with images a and b, and a mask for each where the mask folder would have it. */
async function newRoot(): Promise<string> {
  const root = join(await temporaryFolder(), 'root');
  await mkdir(root);
  await putImages(root, ['a.png', 'images/b.png']);
  for (const name of ['a.png', 'b.png']) await put(join(root, 'masks', name), maskBytes());
  return root;
}

const choice = (changes: Partial<ReferenceChoice> = {}): ReferenceChoice => ({
  image: undefined,
  mask: undefined,
  classNames: [],
  ...changes,
});

/** Chooses and stores, as a command does. */
async function setUp(root: string, changes: Partial<ReferenceChoice>): Promise<SetUp> {
  return store(root, await chooseReference(root, await openProject(root, {}), choice(changes)));
}

describe('openProject', () => {
  it('makes a new project from defaults and what is chosen, and writes nothing', async () => {
    const root = await newRoot();
    expect(await openProject(root, {})).toEqual(NEW);
    const parameters = { ...DEFAULT_PARAMETERS, ablation: { ...NO_ABLATION, hard: false } };
    expect(await openProject(root, { strategy: 'gbmseg', parameters, encoder: 'e', segmenter: 's' })).toEqual({
      ...NEW,
      strategy: 'gbmseg',
      parameters,
      encoder: 'e',
      segmenter: 's',
    });
    expect(await exists(join(root, '.apmedsam'))).toBe(false);
  });

  it('keeps of an existing project whatever is not chosen, unknown keys among it, and leaves the file alone', async () => {
    const root = await newRoot();
    const known = { ...projectOf({ encoder: 'mine', maskFolder: 'labels', window: { low: 1, high: 9 } }), later: [1] };
    await saveProject(root, known);
    const before = await readFile(projectFile(root), 'utf8');
    expect(await openProject(root, {})).toEqual(known);
    expect(await openProject(root, { segmenter: 'other' })).toEqual({ ...known, segmenter: 'other' });
    const doubting = await openProject(root, { parameters: { minTrust: 0.2 } });
    expect(doubting).toEqual({ ...known, parameters: { ...known.parameters, minTrust: 0.2 } });
    expect(await readFile(projectFile(root), 'utf8')).toBe(before);
  });

  it('stores chosen bands, and lets go of the window that was measured on others', async () => {
    const root = await newRoot();
    const window = { low: 1, high: 9 };
    await saveProject(root, projectOf({ window, bands: [1, 2, 3] }));
    const storedWith = async (bands?: [number, number, number]) => {
      const opened = await openProject(root, { bands });
      await store(root, await chooseReference(root, opened, choice({ image: join(root, 'a.png') })));
      return await loadProject(root);
    };
    expect(await storedWith()).toMatchObject({ bands: [1, 2, 3], window });
    expect(await storedWith([1, 2, 3])).toMatchObject({ bands: [1, 2, 3], window });
    const changed = await storedWith([4, 3, 2]);
    expect(changed).toMatchObject({ bands: [4, 3, 2] });
    expect(changed).not.toHaveProperty('window');
  });

  it('takes a mask folder from the working directory, and stores it from the root where it lies inside', async () => {
    const root = await newRoot();
    const folderOf = async (maskFolder: string) => (await openProject(root, { maskFolder })).maskFolder;
    expect(await folderOf(join(root, 'out', 'fine'))).toBe('out/fine');
    expect(await folderOf(path.relative(process.cwd(), join(root, 'out')))).toBe('out');
    expect(await folderOf(join(root, '..', 'beside'))).toBe(path.resolve(root, '..', 'beside'));
    expect(await folderOf(join(root, '..out'))).toBe('..out');
    expect(await folderOf('labels')).toBe(path.resolve('labels'));
  });

  it('refuses a mask folder in which masks would lie among the images', async () => {
    const root = await newRoot();
    for (const maskFolder of [root, join(root, 'images'), path.dirname(root), '/']) {
      expect(await refusal(openProject(root, { maskFolder }))).toBe(
        `The mask folder ${path.resolve(maskFolder)} would mix masks with images: choose a folder of its own.`,
      );
    }
    await saveProject(root, projectOf({ maskFolder: 'images' }));
    expect(await refusal(openProject(root, {}))).toContain('would mix masks with images');
    expect(await openProject(root, { maskFolder: join(root, 'masks') })).toMatchObject({ maskFolder: 'masks' });
  });

  it('refuses a project file that is broken', async () => {
    const root = await newRoot();
    await put(projectFile(root), '{');
    expect(await refusal(openProject(root, {}))).toContain(projectFile(root));
  });
});

describe('projectStrategy', () => {
  it('is what the file says, with the stages that it does not mention switched on', () => {
    expect(projectStrategy('/root', NEW)).toEqual({ strategy: 'ap-medsam', parameters: DEFAULT_PARAMETERS });
    expect(projectStrategy('/root', projectOf({ strategy: 'gbmseg' }))).toEqual({
      strategy: 'gbmseg',
      parameters: DEFAULT_PARAMETERS,
    });
    const { parameters } = projectStrategy('/root', projectOf({ parameters: { ablation: { hard: false } } }));
    expect(parameters).toEqual({ ablation: { ...NO_ABLATION, hard: false } });
  });

  it('has the least trust that is asked for, also where that is none', () => {
    const stored = (minTrust: unknown) => projectOf({ parameters: { minTrust } });
    expect(projectStrategy('/root', stored(0.3)).parameters).toEqual({ ...DEFAULT_PARAMETERS, minTrust: 0.3 });
    expect(projectStrategy('/root', stored(0)).parameters).toEqual({ ...DEFAULT_PARAMETERS, minTrust: 0 });
    expect(projectStrategy('/root', projectOf({})).parameters).toEqual(DEFAULT_PARAMETERS);
    const unjudged = projectOf({ strategy: 'gbmseg', parameters: { minTrust: 0.3 } });
    expect(projectStrategy('/root', unjudged).parameters).toEqual(DEFAULT_PARAMETERS);
    for (const minTrust of [-0.1, 1.1, '0.3', null]) {
      expect(() => projectStrategy('/root', stored(minTrust))).toThrow(
        `${projectFile('/root')} has odd parameters: minTrust`,
      );
    }
  });

  it('has views where they are asked for and the strategy can have them', () => {
    const of = (parameters: Record<string, unknown>, strategy = 'ap-medsam') =>
      projectStrategy('/root', projectOf({ strategy, parameters })).parameters;
    expect(of({ views: 'thorough' })).toEqual({ ...DEFAULT_PARAMETERS, views: 'thorough' });
    expect(of({ views: 3 })).toEqual({ ...DEFAULT_PARAMETERS, views: 3 });
    // The default has the run key of a project that says nothing.
    expect(of({ views: 'fast' })).toEqual(DEFAULT_PARAMETERS);
    expect(of({ views: 'thorough' }, 'gbmseg')).toEqual(DEFAULT_PARAMETERS);
    for (const views of [0, 1, 7, 1.5, 'many', null]) {
      expect(() => of({ views })).toThrow(`${projectFile('/root')} has odd parameters: views`);
    }
    // What version 0.1.0 wrote.
    expect(of({ tiles: 2 })).toEqual({ ...DEFAULT_PARAMETERS, views: 2 });
    expect(of({ tiles: 'auto' })).toEqual(DEFAULT_PARAMETERS);
  });

  it('has the settings of its own strategy alone, complete', () => {
    const both = { matcher: { preset: 'part' }, cluster: {} };
    const of = (strategy: string, parameters: Record<string, unknown>) =>
      projectStrategy('/root', projectOf({ strategy, parameters })).parameters;
    expect(of('matcher', both)).toEqual({ ablation: NO_ABLATION, matcher: { preset: 'part', seed: 0 } });
    expect(of('matcher', {})).toEqual({ ablation: NO_ABLATION, matcher: { preset: 'object', seed: 0 } });
    expect(of('cluster', both)).toEqual({ ablation: NO_ABLATION, cluster: { preset: 'regions' } });
    for (const strategy of ['ap-medsam', 'gbmseg']) expect(of(strategy, both)).toEqual(DEFAULT_PARAMETERS);
    for (const odd of [{ preset: 'whole' }, { seed: 0.5 }, { seed: 2 ** 40 }]) {
      expect(() => of('matcher', { matcher: odd })).toThrow('has odd parameters: matcher');
    }
  });

  it('refuses a strategy and parameters that this version lacks', () => {
    const file = projectFile('/root');
    expect(() => projectStrategy('/root', projectOf({ strategy: 'toString' }))).toThrow(
      new UserError(`${file} asks for the strategy "toString"; expected one of ap-medsam, gbmseg, matcher, cluster.`),
    );
    for (const ablation of [{ soft: false }, { hard: 'no' }, 3]) {
      expect(() => projectStrategy('/root', projectOf({ parameters: { ablation } }))).toThrow(UserError);
      expect(() => projectStrategy('/root', projectOf({ parameters: { ablation } }))).toThrow(
        `${file} has odd parameters: ablation`,
      );
    }
  });
});

describe('a reference that is given', () => {
  it('with its mask is hashed, and stored as the only one of the first class', async () => {
    const root = await newRoot();
    const mask = await put(join(root, '..', 'elsewhere', 'm.png'), maskBytes());
    const chosen = await chooseReference(root, NEW, choice({ image: join(root, 'images', 'b.png'), mask }));
    expect(await exists(projectFile(root))).toBe(false);
    expect(chosen.references[0]).toEqual({
      class: 1,
      image: 'images/b.png',
      mask,
      imageHash: sha256(imageBytes('images/b.png')),
      maskHash: sha256(await maskBytes()),
    });
    expect(chosen.project.classes).toEqual([{ id: 1, name: 'object', colour: '#e69f00' }]);
    const stored = await store(root, chosen);
    expect(stored.references).toEqual(chosen.references);
    expect(stored.project).toEqual({ ...NEW, classes: chosen.project.classes, references: chosen.references });
    expect(await loadProject(root)).toEqual(stored.project);
  });

  it('comes before those that its class has, if they are to stay, and replaces an earlier one of its image', async () => {
    const root = await newRoot();
    const names = async () => (await loadProject(root))!.references.map(({ image }) => image);
    for (const image of ['a.png', 'images/b.png']) await setUp(root, { image: join(root, image), keepOthers: true });
    expect(await names()).toEqual(['images/b.png', 'a.png']);
    await put(join(root, 'masks', 'a.png'), encodeMaskPng(labels([0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), CLASSES));
    const {
      references: [reference],
    } = await setUp(root, { image: join(root, 'a.png'), keepOthers: true });
    expect(await names()).toEqual(['a.png', 'images/b.png']);
    expect((await loadProject(root))!.references[0]).toEqual(reference);
    await setUp(root, { image: join(root, 'images', 'b.png'), classNames: ['object'] });
    expect(await names()).toEqual(['a.png', 'images/b.png']);
    await put(join(root, 'masks', 'b.png'), encodeMaskPng(labels([0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), CLASSES));
    await setUp(root, { image: join(root, 'images', 'b.png') });
    expect(await names()).toEqual(['images/b.png']);
  });

  it('by paths from the working directory is the same', async () => {
    const root = await newRoot();
    const from = (name: string) => path.relative(process.cwd(), join(root, name));
    const {
      references: [reference],
    } = await chooseReference(root, NEW, choice({ image: from('a.png'), mask: from('masks/b.png') }));
    expect(reference).toMatchObject({ image: 'a.png', mask: 'masks/b.png' });
  });

  it('alone is told of a file beside it that looks like its mask', async () => {
    const root = await newRoot();
    await putImages(root, ['x.jpg']);
    const beside = await put(join(root, 'x_mask.png'), maskBytes());
    const image = join(root, 'x.jpg');
    expect(await refusal(chooseReference(root, NEW, choice({ image })))).toBe(
      `The reference ${image} has no mask ${join(root, 'masks', 'x.png')}, but ${beside} looks like its mask: add --mask ${beside} if it is.`,
    );
  });

  it('alone has its own mask in the mask folder', async () => {
    const root = await newRoot();
    await putImages(root, ['x.jpg', 'x.tif']);
    await put(join(root, 'labels', 'x.tif.png'), maskBytes());
    const own = async (image: string, project = NEW) =>
      (await chooseReference(root, project, choice({ image: join(root, image) }))).references[0]!.mask;
    expect(await own('a.png')).toBe('masks/a.png');
    expect(await own('images/b.png')).toBe('masks/b.png');
    expect(await own('x.tif', { ...NEW, maskFolder: 'labels' })).toBe('labels/x.tif.png');
    const outside = join(root, '..', 'outside');
    await put(join(outside, 'a.png'), maskBytes());
    expect(await own('a.png', { ...NEW, maskFolder: outside })).toBe(join(outside, 'a.png'));
  });

  it('alone needs to lie in the root, and a mask', async () => {
    const root = await newRoot();
    const outside = await put(join(root, '..', 'c.png'), imageBytes('c'));
    expect(await refusal(chooseReference(root, NEW, choice({ image: outside })))).toBe(
      `The reference ${path.resolve(outside)} is not in ${root}, so its mask must be named: add --mask.`,
    );
    await putImages(root, ['d.png']);
    expect(await refusal(chooseReference(root, NEW, choice({ image: join(root, 'd.png') })))).toBe(
      `The reference mask ${join(root, 'masks', 'd.png')} does not exist.`,
    );
    expect(await refusal(chooseReference(root, NEW, choice({ image: join(root, 'e.png') })))).toMatch(
      /^The reference (image|mask) .*e\.png does not exist\.$/,
    );
  });

  it('is no mask alone', async () => {
    const root = await newRoot();
    expect(await refusal(chooseReference(root, NEW, choice({ mask: join(root, 'masks', 'a.png') })))).toBe(
      'A mask was given without its reference image: add --reference.',
    );
  });

  it("takes the place of its class's former reference, and of no other's", async () => {
    const root = await newRoot();
    const [a, b] = [join(root, 'a.png'), join(root, 'images', 'b.png')];
    await setUp(root, { image: a, classNames: ['cell'] });
    await setUp(root, { image: a, classNames: ['wall'] });
    const {
      project,
      references: [reference],
    } = await setUp(root, { image: b, classNames: ['cell'] });
    expect(reference).toMatchObject({ class: 1, image: 'images/b.png' });
    expect(project.references.map((one) => [one.class, one.image])).toEqual([
      [2, 'a.png'],
      [1, 'images/b.png'],
    ]);
    expect(await loadProject(root)).toEqual(project);
  });

  it('that is stored already leaves the file as it is', async () => {
    const root = await newRoot();
    await setUp(root, { image: join(root, 'a.png'), classNames: ['cell'] });
    await setUp(root, { image: join(root, 'a.png'), classNames: ['wall'] });
    const before = await readFile(projectFile(root), 'utf8');
    await setUp(root, { image: join(root, 'a.png'), classNames: ['cell'] });
    await setUp(root, { classNames: ['cell'] });
    expect(await readFile(projectFile(root), 'utf8')).toBe(before);
  });
});

describe('a class', () => {
  it('without a name is the only one, or "object" where there are several or none', async () => {
    const root = await newRoot();
    const classOf = async (project: Project) => {
      const {
        project: chosen,
        references: [reference],
      } = await chooseReference(root, project, choice({ image: join(root, 'a.png') }));
      return chosen.classes.find(({ id }) => id === reference!.class)!;
    };
    expect(await classOf(projectOf({ classes: [CLASSES[1]!] }))).toEqual(CLASSES[1]);
    expect(await classOf(projectOf({ classes: [] }))).toMatchObject({ id: 1, name: 'object' });
    expect(await classOf(projectOf())).toMatchObject({ id: 3, name: 'object' });
    const named = { id: 9, name: 'object', colour: '#123456' };
    expect(await classOf(projectOf({ classes: [...CLASSES, named] }))).toEqual(named);
  });

  it('that is new gets the next id and a colour', async () => {
    const root = await newRoot();
    const image = join(root, 'a.png');
    const colours: string[] = [];
    for (let id = 1; id <= 8; id++) {
      const {
        project,
        references: [reference],
      } = await setUp(root, { image, classNames: [`class ${id}`] });
      expect(reference!.class).toBe(id);
      expect(project.classes).toHaveLength(id);
      const { name, colour } = project.classes.at(-1)!;
      expect(name).toBe(`class ${id}`);
      expect(colour).toMatch(/^#[0-9a-f]{6}$/);
      colours.push(colour);
    }
    expect(new Set(colours.slice(0, 7)).size).toBe(7);
    expect(colours[7]).toBe(colours[0]);
  });

  it('comes after the largest id, not into a gap', async () => {
    const root = await newRoot();
    const classes = [{ id: 7, name: 'seven', colour: '#111111' }, CLASSES[1]!];
    const chosen = await chooseReference(
      root,
      projectOf({ classes }),
      choice({ image: join(root, 'a.png'), classNames: ['x'] }),
    );
    expect(chosen.references[0]!.class).toBe(8);
    expect(chosen.project.classes).toEqual([...classes, { id: 8, name: 'x', colour: '#e69f00' }]);
  });

  it('that no project file could hold is refused', async () => {
    const root = await newRoot();
    const image = join(root, 'a.png');
    expect(await refusal(setUp(root, { image, classNames: [''] }))).toMatch(/^A class needs a name/);
    expect(await exists(projectFile(root))).toBe(false);
    const full = projectOf({ classes: [{ id: 254, name: 'last', colour: '#111111' }] });
    await saveProject(root, full);
    expect(await refusal(setUp(root, { image, classNames: ['one more'] }))).toContain('254');
    expect(await loadProject(root)).toEqual(full);
  });
});

describe('a reference that is stored', () => {
  it('is used where none is given', async () => {
    const root = await newRoot();
    const {
      project,
      references: [reference],
    } = await setUp(root, { image: join(root, 'a.png') });
    expect(await chooseReference(root, project, choice())).toEqual({ project, references: [reference] });
    expect(await chooseReference(root, project, choice({ classNames: ['object'] }))).toEqual({
      project,
      references: [reference],
    });
  });

  it('is missed in words', async () => {
    const root = await newRoot();
    expect(await refusal(chooseReference(root, NEW, choice()))).toBe(
      `${root} has no reference yet: give one with --reference (and --mask).`,
    );
    const { project } = await setUp(root, { image: join(root, 'a.png') });
    expect(await refusal(chooseReference(root, project, choice({ classNames: ['wall'] })))).toBe(
      `${root} has no reference for class "wall" yet: give one with --reference (and --mask).`,
    );
  });

  it('of several classes: all are used, or those that are named', async () => {
    const root = await newRoot();
    await setUp(root, { image: join(root, 'a.png'), classNames: ['cell'] });
    const { project } = await setUp(root, { image: join(root, 'images', 'b.png'), classNames: ['wall'] });
    const both = await chooseReference(root, project, choice());
    expect(both.references.map((one) => [one.class, one.image])).toEqual([
      [1, 'a.png'],
      [2, 'images/b.png'],
    ]);
    expect(await chooseReference(root, project, choice({ classNames: ['wall', 'cell', 'wall'] }))).toEqual(both);
    const image = join(root, 'a.png');
    expect(await refusal(chooseReference(root, project, choice({ image, classNames: ['wall', 'cell'] })))).toBe(
      'A reference is the example of one class: name one class with it.',
    );
    const imageOf = async (className: string) =>
      (await chooseReference(root, project, choice({ classNames: [className] }))).references[0]!.image;
    expect([await imageOf('cell'), await imageOf('wall')]).toEqual(['a.png', 'images/b.png']);
  });
});

describe('storeSetUp', () => {
  it('stores the settings with the reference, and keeps what another process has added meanwhile', async () => {
    const root = await newRoot();
    const opened = await openProject(root, { strategy: 'gbmseg', maskFolder: join(root, 'out') });
    const chosen = await chooseReference(
      root,
      opened,
      choice({ image: join(root, 'a.png'), mask: join(root, 'masks', 'a.png'), classNames: ['cell'] }),
    );
    expect(chosen.references[0]!.class).toBe(1);
    const others = await setUp(root, { image: join(root, 'images', 'b.png'), classNames: ['wall'] });
    await saveProject(root, { ...others.project, later: true });
    const {
      project,
      references: [reference],
    } = await store(root, chosen);
    expect(reference).toEqual({ ...chosen.references[0], class: 2 });
    expect(project).toMatchObject({ strategy: 'gbmseg', maskFolder: 'out', later: true });
    expect(project.classes.map(({ id, name }) => [id, name])).toEqual([
      [1, 'wall'],
      [2, 'cell'],
    ]);
    expect(project.references).toEqual([others.references[0], reference]);
    expect(await loadProject(root)).toEqual(project);
  });

  const broken: readonly (readonly [string, (root: string) => Promise<unknown>, RegExp])[] = [
    ['whose mask is empty', (root) => put(join(root, 'masks/a.png'), maskBytes(TOP.map(() => 0))), /is empty: mark/],
    ['whose mask is full', (root) => put(join(root, 'masks/a.png'), maskBytes(TOP.map(() => 1))), /covers the whole/],
    ['whose mask is none', (root) => writeFile(join(root, 'masks/a.png'), 'no PNG'), /masks.a\.png/],
    [
      'whose mask has another size',
      (root) => put(join(root, 'masks/a.png'), encodeMaskPng(labels([1, 0], { width: 2, height: 1 }), CLASSES)),
      /^The mask .* is 2 x 1 but its image .*a\.png is 4 x 3:/,
    ],
  ];

  it.each(broken)('refuses a reference %s, and keeps the one that works', async (_, spoil, message) => {
    const root = await newRoot();
    await spoil(root);
    expect(await refusal(setUp(root, { image: join(root, 'a.png') }))).toMatch(message);
    expect(await exists(join(root, '.apmedsam'))).toBe(false);
    const { project } = await setUp(root, { image: join(root, 'images', 'b.png') });
    expect(await refusal(setUp(root, { image: join(root, 'a.png') }))).toMatch(message);
    expect(await loadProject(root)).toEqual(project);
  });

  it('refuses a stored reference whose mask has changed since', async () => {
    const root = await newRoot();
    await setUp(root, { image: join(root, 'a.png') });
    await put(join(root, 'masks', 'a.png'), maskBytes([0, ...TOP.slice(1)]));
    expect(await refusal(setUp(root, {}))).toBe(
      `The reference mask ${join(root, 'masks', 'a.png')} has changed since the reference was set: set it again.`,
    );
    expect((await setUp(root, { image: join(root, 'a.png') })).project.references).toHaveLength(1);
  });
});
