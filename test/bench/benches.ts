/** What each bench is asked with; apart from the benches, which measure as soon as they are loaded. */
import os from 'node:os';
import type { ProgramDescription } from '../commandLine';

const CORES = String(os.availableParallelism());

const json = { type: 'boolean', about: 'JSON lines instead of tables, one object per row' } as const;

const dataDir = { names: '<data dir>', least: 1, most: 1 } as const;

/** Of the benches that compare models. */
const modelOptions = {
  models: { type: 'string', value: 'folder', about: 'another manifest, with embedded models of its own' },
  decoder: { type: 'string', value: 'file.onnx', about: 'a decoder in place of the embedded one' },
} as const;

export const benches = {
  accuracy: {
    command: 'npm run bench:accuracy --',
    about:
      'Accuracy of the strategies on labelled sets: Dice of images that references of the same set label. Each data folder holds one folder per set, with images/ and masks/; those after the first are groups of their own.',
    arguments: { names: '<data dir> [<data dir> ...]', least: 1, most: Number.POSITIVE_INFINITY },
    options: {
      references: { type: 'string', default: '3', value: 'n', about: 'references per set and seed' },
      targets: { type: 'string', default: '20', value: 'n', about: 'most images that each reference labels' },
      seed: { type: 'string', default: '0', value: 'n', about: 'which references are drawn' },
      seeds: { type: 'string', value: '0,1,2', about: 'several of these; a pair that two of them draw counts once' },
      sets: { type: 'string', value: 'a,b', about: 'these sets alone' },
      strategies: {
        type: 'string',
        default: 'ap-medsam,gbmseg,matcher,cluster',
        value: 'a,b',
        about: 'which strategies',
      },
      preset: { type: 'string', value: 'all', about: 'each strategy with these of its presets' },
      ablation: { type: 'string', value: 'all|a,b', about: 'each strategy without each of these stages too, paired' },
      votes: { type: 'string', default: '1', value: '1,2,3', about: 'how many references vote at a time' },
      views: {
        type: 'string',
        default: 'fast',
        value: 'fast,thorough,whole,2',
        about: 'in which views images are seen',
      },
      engines: { type: 'string', default: CORES, value: 'n', about: 'engine processes, of one thread each' },
      out: { type: 'string', value: 'file.jsonl', about: 'appends what is measured at once; goes on where it stopped' },
      report: { type: 'boolean', about: 'tables of what --out holds, without measuring' },
      json: { type: 'boolean', about: 'a JSON line per target instead of the tables' },
      ...modelOptions,
    },
  },
  clicks: {
    command: 'npm run bench:clicks --',
    about: 'Segmenting by clicks, without a reference: a simulated person clicks at the centre of the largest error.',
    arguments: dataDir,
    options: {
      sets: { type: 'string', value: 'a,b', about: 'these sets alone' },
      images: { type: 'string', default: '20', value: 'n', about: 'most images per set' },
      clicks: { type: 'string', default: '10', value: 'n', about: 'clicks per image' },
      seed: { type: 'string', default: '0', value: 'n', about: 'which images are drawn' },
      threads: { type: 'string', default: CORES, value: 'n', about: 'threads of the engine' },
      'without-mask-prompt': { type: 'boolean', about: 'each round is answered from its clicks alone' },
      json: { type: 'boolean', about: 'a JSON line per image instead of the tables' },
      ...modelOptions,
    },
  },
  shifts: {
    command: 'npm run bench:shifts --',
    about:
      'What changes between pictures of one folder: targets darker, turned, closer, farther, the reference as it is. A data folder holds one folder per set; of a folder with data and corpus/validate, those two are.',
    arguments: { names: '<folder> [<folder> ...]', least: 1, most: Number.POSITIVE_INFINITY },
    options: {
      references: { type: 'string', default: '1', value: 'n', about: 'references per set and seed' },
      targets: { type: 'string', default: '8', value: 'n', about: 'most images that each reference labels' },
      seeds: { type: 'string', default: '0', value: '0,1', about: 'which references are drawn' },
      sets: { type: 'string', value: 'a,b', about: 'these sets in place of the usual twelve' },
      changes: { type: 'string', value: 'a;b', about: 'these changes alone, as the table names them' },
      engines: { type: 'string', default: CORES, value: 'n', about: 'engine processes, of one thread each' },
      out: { type: 'string', value: 'file.jsonl', about: 'appends what is measured at once; goes on where it stopped' },
      report: { type: 'boolean', about: 'tables of what --out holds, without measuring' },
      before: { type: 'string', value: 'file.jsonl', about: 'the --out of another run, to say the differences to' },
      json,
      ...modelOptions,
    },
  },
  corrections: {
    command: 'npm run bench:corrections --',
    about:
      'What corrected images teach the rest of their folder: Dice after so many, chosen in several orders. Folders as for bench:shifts.',
    arguments: { names: '<folder> [<folder> ...]', least: 1, most: Number.POSITIVE_INFINITY },
    options: {
      steps: { type: 'string', default: '0,1,2,3,5,10', value: '0,1,2', about: 'after how many corrected images' },
      orders: { type: 'string', default: 'trust,suggest,random', value: 'a,b', about: 'which are corrected first' },
      references: { type: 'string', default: '1', value: 'n', about: 'first references per set and seed' },
      'held-out': { type: 'string', default: '8', value: 'n', about: 'most images that are never corrected' },
      images: { type: 'string', default: '14', value: 'n', about: 'most others, some of which are corrected' },
      seeds: { type: 'string', default: '0', value: '0,1', about: 'which images are drawn' },
      sets: { type: 'string', value: 'a,b', about: 'these sets alone' },
      engines: { type: 'string', default: '1', value: 'n', about: 'engine processes, of one thread each' },
      out: { type: 'string', value: 'file.jsonl', about: 'appends what is measured at once; goes on where it stopped' },
      report: { type: 'boolean', about: 'tables of what --out holds, without measuring' },
      json,
      ...modelOptions,
    },
  },
  minutes: {
    command: 'npm run bench:minutes --',
    about:
      'Minutes of a person per 100 images, by a model of clicks and accepts: from the automatic mask of one reference. Folders as for bench:shifts.',
    arguments: { names: '<folder> [<folder> ...]', least: 1, most: Number.POSITIVE_INFINITY },
    options: {
      references: { type: 'string', default: '1', value: 'n', about: 'references per set and seed' },
      targets: { type: 'string', default: '8', value: 'n', about: 'most images that each reference labels' },
      seeds: { type: 'string', default: '0', value: '0,1', about: 'which references are drawn' },
      sets: { type: 'string', value: 'a,b', about: 'these sets alone' },
      alone: { type: 'boolean', about: 'the same images without a reference too, by clicks alone' },
      threads: { type: 'string', default: CORES, value: 'n', about: 'threads of the engine' },
      out: { type: 'string', value: 'file.jsonl', about: 'appends what is measured at once; goes on where it stopped' },
      report: { type: 'boolean', about: 'tables of what --out holds, without measuring' },
      before: { type: 'string', value: 'file.jsonl', about: 'the --out of another run, to say the differences to' },
      json,
      ...modelOptions,
    },
  },
  trust: {
    command: 'npm run bench:trust --',
    about: 'Trust against the truth, and its coefficients, each set judged with coefficients from all others.',
    arguments: { names: '<data dir>', least: 0, most: 1 },
    options: {
      references: { type: 'string', default: '3', value: 'n', about: 'references per set and seed' },
      targets: { type: 'string', default: '20', value: 'n', about: 'most images that each reference labels' },
      absent: {
        type: 'string',
        default: '10',
        value: 'n',
        about: 'most parts of each kind, and images of other sets, per reference',
      },
      seeds: { type: 'string', default: '0,1', value: '0,1', about: 'which references are drawn' },
      engines: { type: 'string', default: CORES, value: 'n', about: 'engine processes, of one thread each' },
      'min-trust': { type: 'string', default: '0.2', value: 'x', about: 'trust below which the tables call it absent' },
      save: { type: 'string', value: 'rows.jsonl', about: 'writes what was measured, a JSON line per mask' },
      load: { type: 'string', value: 'rows.jsonl', about: 'reads that instead of measuring' },
      json,
    },
  },
  speed: {
    command: 'npm run bench:speed --',
    about: 'Speed on the embedded models: stage by stage in one engine, then whole runs of the command line.',
    options: {
      images: { type: 'string', default: '100,500', value: 'n,m', about: 'images of the folders that are labelled' },
      threads: { type: 'string', default: '1,2', value: 'n,m', about: 'threads of the one engine' },
      json,
    },
  },
  devices: {
    command: 'npm run bench:devices --',
    about: 'What the models run on here: every device of the platform tried in a process of its own.',
    options: {
      encoder: { type: 'string', default: 'embedded', value: 'id', about: 'which encoder' },
      segmenter: { type: 'string', default: 'embedded', value: 'id', about: 'which segmenter' },
      home: { type: 'string', value: 'folder', about: 'where downloaded models and devices are' },
      limit: { type: 'string', default: '600', value: 'seconds', about: 'longest time for one device' },
      software: {
        type: 'boolean',
        about: "WebGPU on Chromium's software adapter: shows that it works, never how fast a GPU is",
      },
      json,
    },
  },
  architectures: {
    command: 'npm run bench:architectures --',
    about: 'Speed on the true architectures, with random weights that models/export made; beside them PyTorch.',
    arguments: { names: '<folder>', least: 1, most: 1 },
    options: {
      pairs: { type: 'string', default: 'S,B', value: 'S,B', about: 'which pairs of encoder and segmenter' },
      rounds: { type: 'string', default: '5', value: 'n', about: 'targets that are asked one at a time' },
      folders: { type: 'string', default: '3', value: 'n', about: 'how often each labels the folder' },
      images: { type: 'string', default: '8', value: 'n', about: 'targets of the folder' },
      threads: { type: 'string', default: '2', value: 'n', about: 'threads in all' },
      python: { type: 'string', value: 'python', about: 'an interpreter with PyTorch, to compare with' },
      seed: { type: 'string', default: '0', value: 'n', about: "of PyTorch's weights" },
      json,
    },
  },
  classes: {
    command: 'npm run bench:classes --',
    about: 'Several classes in one pass: what each is given alone, and what it is left after competing.',
    arguments: dataDir,
    options: {
      pairs: {
        type: 'string',
        default:
          'wbc2_cell+lung_ct,fetal_head+carotid_lumen,drishti_disc+wbc2_cell,dsb_histo+drishti_disc,cxr_lung+lung_ct,spider_vertebra+fetal_head,busi_benign+carotid_lumen',
        value: 'a+b,c+d',
        about: 'sets that make the two classes',
      },
      references: { type: 'string', default: '2', value: 'n', about: 'references per pair' },
      targets: { type: 'string', default: '6', value: 'n', about: 'pictures of each kind per reference' },
      seed: { type: 'string', default: '0', value: 'n', about: 'which images are drawn' },
      json,
    },
  },
  viewer: {
    command: 'npm run bench:viewer --',
    about: 'The viewer in a real browser: frame times, then whether every pixel is the right one (exit code 1 if not).',
    options: {
      side: { type: 'string', default: '8000', value: 'px', about: 'side of the large image' },
      seconds: { type: 'string', default: '5', value: 'n', about: 'length of each scenario' },
      screenshots: { type: 'string', value: 'folder', about: 'pictures of what is shown, too' },
      only: { type: 'string', value: 'frames|pixels|screenshots', about: 'this part alone' },
      gpu: { type: 'boolean', about: 'leaves drawing to the GPU or to what stands in for one' },
      'no-fetch': { type: 'boolean', about: 'as pages are served that may load images and nothing else' },
      chromium: { type: 'string', value: 'path', about: 'the browser' },
      json,
    },
  },
  editor: {
    command: 'npm run bench:editor --',
    about: 'The extension in a real VS Code: activation, first picture, click to mask, hold-ups of the host.',
    options: {
      clicks: { type: 'string', default: '20', value: 'n', about: 'warm clicks per image' },
      side: { type: 'string', default: '8000', value: 'px', about: 'side of the large image' },
      json,
    },
  },
} as const satisfies Record<string, ProgramDescription>;
