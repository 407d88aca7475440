/** `ap-medsam models list | download | remove | verify | import`. */
import path from 'node:path';
import { UserError } from '../core/userError';
import { encoderFamilyNames, familyTraits, segmenterFamilyNames } from '../models/families';
import type { Confirm } from '../models/installRecord';
import { label, modelBytes, sizeText } from '../models/modelDescription';
import { downloadModel } from '../models/modelDownload';
import { importFiles, importModel } from '../models/modelImport';
import type { ListedModel } from '../models/modelState';
import type { DownloadProgress, ModelName, UnknownFile } from '../protocol/modelApi';
import { type Arguments, type Command, type CommandContext, EXIT, type Option, UsageError } from './command';
import { jsonOption } from './options';
import { duration, ProgressLine } from './progress';
import { textTable } from './textTable';

const familyNames: Readonly<Record<'encoder' | 'segmenter', readonly string[]>> = {
  encoder: encoderFamilyNames,
  segmenter: segmenterFamilyNames,
};

const twoGraphFamilies = segmenterFamilyNames.filter((name) => familyTraits('segmenter', name)!.graphs.length > 1);

const kindOption: Option = { value: 'kind', help: 'encoder or segmenter, where both have a model of that id' };

const acceptOption: Option = {
  value: 'sha256,...',
  help: 'hashes that you have compared yourself, for files whose SHA-256 nobody has published; they are remembered',
};

export const modelsList: Command = {
  name: 'models list',
  summary: 'the models that are installed, and those that can be downloaded',
  usage: '[options]',
  description: [
    'Lists models with their size, licence and state: shipped, imported and downloaded ones are ready; available ones can be downloaded, partial ones are not complete yet, damaged ones are repaired by downloading or importing them again.',
  ],
  options: { json: jsonOption },
  examples: ['ap-medsam models list'],
  async run(args, { store, out, outText }) {
    const models = await store.list();
    if (args.flag('json')) {
      for (const { entry, source, state, bytesHere } of models) {
        out(JSON.stringify({ ...entry, source, state, bytesHere }));
      }
      return EXIT.done;
    }
    outText(
      textTable(
        ['id', 'kind', 'family', 'size', 'licence', 'state', 'title'],
        models.map(({ entry, state, bytesHere }) => [
          entry.id,
          entry.kind,
          entry.family,
          sizeText(modelBytes(entry)),
          entry.licence,
          state === 'partial' ? `partial (${sizeText(bytesHere)})` : state,
          entry.title,
        ]),
      ),
    );
    return EXIT.done;
  },
};

export const modelsDownload: Command = {
  name: 'models download',
  summary: 'fetch models from the network',
  usage: '<id>... [options]',
  description: [
    'Downloads models into the home folder (AP_MEDSAM_HOME, or the place your system keeps application data) and checks their SHA-256. An interrupted download goes on where it stopped when the command is run again; a damaged model is repaired.',
    'HTTPS_PROXY, HTTP_PROXY, NO_PROXY and NODE_EXTRA_CA_CERTS are followed. Exit code 1 when a model could not be downloaded.',
  ],
  options: {
    kind: kindOption,
    mirror: {
      value: 'url',
      help: 'takes the place of scheme and host in every address; a path in it comes first; default: the variable AP_MEDSAM_MIRROR',
    },
    'ca-file': { value: 'pem', help: 'certificates of authorities to trust besides the usual ones' },
    accept: acceptOption,
    json: jsonOption,
  },
  takesFiles: true,
  examples: [
    'ap-medsam models download dinov2-small mobile-sam',
    'ap-medsam models download sam2.1-tiny --mirror https://models.example.org/hf --ca-file company.pem',
  ],
  run: download,
};

export const modelsRemove: Command = {
  name: 'models remove',
  summary: 'delete downloaded or imported models',
  usage: '<id>... [options]',
  description: ['Deletes the files of models, finished or not. Shipped models stay.'],
  options: { kind: kindOption, json: jsonOption },
  takesFiles: true,
  examples: ['ap-medsam models remove mobile-sam'],
  run: (args, context) =>
    forEachModel(args, context, async (name) => {
      await context.store.remove(name);
      return { state: 'removed' };
    }),
};

export const modelsVerify: Command = {
  name: 'models verify',
  summary: 'check every model file against its SHA-256',
  usage: '[<id>...] [options]',
  description: [
    'Reads every file of every installed model, or of those named. Exit code 1 when one is missing, truncated or altered.',
  ],
  options: { kind: kindOption, json: jsonOption },
  takesFiles: true,
  examples: ['ap-medsam models verify'],
  async run(args, { store, out }) {
    const names = await namedModels(
      args,
      (await store.list()).map(({ entry }) => entry),
    );
    const rows =
      names.length === 0 ? await store.verify() : (await Promise.all(names.map((name) => store.verify(name)))).flat();
    for (const { entry, problem } of rows) {
      const { kind, id } = entry;
      if (args.flag('json')) out(JSON.stringify({ kind, id, ok: problem === undefined, ...(problem && { problem }) }));
      else out(`${kind} ${id}: ${problem ?? 'ok'}`);
    }
    return rows.some(({ problem }) => problem !== undefined) ? EXIT.someFailed : EXIT.done;
  },
};

export const modelsImport: Command = {
  name: 'models import',
  summary: 'add a local ONNX model, or files of a listed one',
  usage:
    '<model.onnx> [<decoder.onnx>] [external data file]... (--as <id> | --id <id> --kind <encoder|segmenter> --family <name>) [options]',
  description: [
    'Copies the files into the home folder (AP_MEDSAM_HOME, or the place your system keeps application data) and records their SHA-256. The originals are not needed afterwards.',
    'With --as, the files are those of a model that "models list" shows, downloaded by other means: each is recognised by its SHA-256.',
    `Otherwise it is a model of your own. Families: ${familyNames.encoder.join(', ')} for encoders, ${familyNames.segmenter.join(', ')} for segmenters; a model's inputs and outputs are checked against its family's when it is first used.`,
    `Segmenters of the families ${twoGraphFamilies.join(', ')} are two ONNX files: first the image encoder, then the mask decoder. Weights that a graph keeps in other files (such as model.onnx_data) follow them.`,
    "What a model does differently from its family (normalisation, patch size, registers and more) is said in its entry of the home's models/manifest.json, see models/README.md.",
  ],
  options: {
    as: { value: 'id', help: 'the listed model that the files belong to' },
    id: { value: 'id', help: 'name for --encoder or --segmenter: lower-case letters, digits, ".", "_" and "-"' },
    kind: { value: 'kind', help: 'encoder or segmenter' },
    family: { value: 'name', help: 'the adapter that knows the inputs and outputs' },
    title: { value: 'text', help: 'a line about the model; default: the id' },
    licence: { value: 'spdx', help: 'its licence; you answer for it', default: 'user' },
    side: { value: 'px', help: "side of the input images; default: the family's" },
    accept: acceptOption,
    json: jsonOption,
  },
  takesFiles: true,
  examples: [
    'ap-medsam models import model.onnx --as dinov2-small',
    'ap-medsam models import my-dinov2.onnx --id mine --kind encoder --family dinov2 --side 560',
    'ap-medsam models import my-sam.encoder.onnx my-sam.decoder.onnx --id my-sam --kind segmenter --family sam',
  ],
  run: runImport,
};

async function download(args: Arguments, context: CommandContext): Promise<number> {
  const { store, err, signal } = context;
  const mirror = args.text('mirror') ?? process.env.AP_MEDSAM_MIRROR;
  const caFile = args.text('ca-file');
  const network = {
    ...(mirror && { mirror }),
    ...(caFile !== undefined && { caFile: path.resolve(caFile) }),
  };
  return forEachModel(args, context, async (name) => {
    const { entry } = await store.locate(name);
    const [row] = (await store.list()).filter(({ entry: { kind, id } }) => kind === name.kind && id === name.id);
    const size = sizeText(modelBytes(entry));
    const hashes = entry.hashOrigin === 'third-party' ? '; its SHA-256 comes from public lists of others' : '';
    err(`${label(name)}: ${entry.title}, ${size}, licence ${entry.licence}, from ${entry.origin}${hashes}`);
    const line = new ProgressLine(context);
    const onProgress = (progress: DownloadProgress) => {
      const { received, total } = progress;
      line.show(`${name.id}: ${progressText(progress)}`, total ? received / total : null);
    };
    try {
      const done = await downloadModel(store, name, { network, signal, onProgress, confirm: confirmer(args, context) });
      const ready = row?.state === 'downloaded' || row?.state === 'imported';
      const bytes = modelBytes(done);
      return { state: ready ? 'already there, and right' : `downloaded, ${sizeText(bytes)}`, files: done.files };
    } finally {
      line.clear();
    }
  });
}

/** "12.3 MB of 88.5 MB, 4.1 MB/s, 19 s left", or what it waits for. */
function progressText(progress: DownloadProgress): string {
  const { phase, received, total, bytesPerSecond, etaSeconds, note } = progress;
  const amount = total === null ? sizeText(received) : `${sizeText(received)} of ${sizeText(total)}`;
  return [
    amount,
    ...(bytesPerSecond === null ? [] : [`${sizeText(bytesPerSecond)}/s`]),
    ...(etaSeconds === null ? [] : [`${duration(etaSeconds)} left`]),
    ...(phase === 'connecting' || phase === 'checking' ? [phase] : []),
    ...(note === undefined ? [] : [note]),
  ].join(', ');
}

/** Does something to every model that is named; a failure is told and the rest goes on. */
async function forEachModel(
  args: Arguments,
  { store, out, err, signal }: CommandContext,
  work: (name: ModelName) => Promise<{ readonly state: string; readonly files?: ListedModel['entry']['files'] }>,
): Promise<number> {
  if (args.positionals.length === 0) throw new UsageError('name the models, see "ap-medsam models list"');
  const names = await namedModels(
    args,
    (await store.list()).map(({ entry }) => entry),
  );
  let failed = false;
  for (const name of names) {
    try {
      const { state, ...more } = await work(name);
      out(args.flag('json') ? JSON.stringify({ ...name, ok: true, state, ...more }) : `${label(name)}: ${state}`);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof UserError)) throw error;
      failed = true;
      if (args.flag('json')) out(JSON.stringify({ ...name, ok: false, problem: error.message }));
      else err(`ap-medsam: ${error.message}`);
    }
  }
  return failed ? EXIT.someFailed : EXIT.done;
}

/** The models that the positional arguments mean. */
async function namedModels(args: Arguments, entries: readonly ListedModel['entry'][]): Promise<ModelName[]> {
  const kind = args.text('kind');
  if (kind !== undefined) assertKind(kind);
  return args.positionals.map((id) => nameOf(id, kind, entries));
}

function nameOf(id: string, kind: string | undefined, entries: readonly ListedModel['entry'][]): ModelName {
  const found = entries.filter((entry) => entry.id === id && (kind === undefined || entry.kind === kind));
  const kinds = [...new Set(found.map((entry) => entry.kind))];
  if (kinds.length === 1) return { kind: kinds[0]!, id };
  if (kinds.length > 1) throw new UsageError(`"${id}" is an encoder and a segmenter: say which with --kind`);
  const known = [...new Set(entries.filter((entry) => !kind || entry.kind === kind).map((entry) => entry.id))];
  throw new UsageError(`there is no ${kind ?? 'model'} called "${id}"; known: ${known.join(', ')}`);
}

/** Accepts the hashes that were given, else asks on a terminal, else says how to accept. */
function confirmer(args: Arguments, { ask, err }: CommandContext): Confirm {
  const accepted = args.text('accept')?.toLowerCase().split(',') ?? [];
  return async (files: readonly UnknownFile[]) => {
    if (files.every(({ sha256 }) => accepted.includes(sha256))) return true;
    for (const { file, from, sha256, bytes } of files) err(`${file}: SHA-256 ${sha256}, ${bytes} bytes, from ${from}`);
    err(
      'Nobody has published a SHA-256 for these files. Compare it with a copy that you trust, or with the page of their origin.',
    );
    if (ask) return ask('Accept and remember them?');
    err(`To accept them: --accept ${files.map(({ sha256 }) => sha256).join(',')}`);
    return false;
  };
}

async function runImport(args: Arguments, context: CommandContext): Promise<number> {
  const as = args.text('as');
  if (as !== undefined) return importAs(as, args, context);
  const { store, out } = context;
  const [id, kind, family] = ['id', 'kind', 'family'].map((name) => required(args, name));
  assertKind(kind);
  if (!familyNames[kind].includes(family)) {
    throw new UsageError(`--family for --kind ${kind} should be ${familyNames[kind].join(' or ')}, got "${family}"`);
  }
  if (args.positionals.length === 0) throw new UsageError('name the ONNX file to import');
  const title = args.text('title');
  const inputSide = args.count('side');
  const entry = await importModel(store, {
    paths: args.positionals.map((file) => path.resolve(file)),
    id,
    kind,
    family,
    licence: args.text('licence')!,
    ...(title === undefined ? {} : { title }),
    ...(inputSide === undefined ? {} : { inputSide }),
  });
  out(
    args.flag('json') ? JSON.stringify(entry) : `Imported the ${entry.kind} "${entry.id}" (${describeFiles(entry)}).`,
  );
  return EXIT.done;
}

async function importAs(id: string, args: Arguments, context: CommandContext): Promise<number> {
  const { store, out } = context;
  const refused = ['id', 'family', 'title', 'side'].find((name) => args.text(name) !== undefined);
  if (refused !== undefined) throw new UsageError(`--as knows what the model is; leave --${refused} out`);
  if (args.positionals.length === 0) throw new UsageError('name the files to import');
  const kind = args.text('kind');
  if (kind !== undefined) assertKind(kind);
  const name = nameOf(
    id,
    kind,
    (await store.list()).map(({ entry }) => entry),
  );
  const paths = args.positionals.map((file) => path.resolve(file));
  const missing = await importFiles(store, name, paths, confirmer(args, context));
  if (args.flag('json')) out(JSON.stringify({ ...name, missing }));
  else if (missing.length === 0) out(`Imported the ${label(name)}.`);
  else out(`Imported a part of the ${label(name)}; still missing: ${missing.join(', ')}.`);
  return EXIT.done;
}

function assertKind(kind: string): asserts kind is ModelName['kind'] {
  if (kind !== 'encoder' && kind !== 'segmenter') {
    throw new UsageError(`--kind should be encoder or segmenter, got "${kind}"`);
  }
}

function required(args: Arguments, name: string): string {
  const value = args.text(name);
  if (value === undefined) throw new UsageError(`--${name} is missing`);
  return value;
}

const describeFiles = ({ files }: ListedModel['entry']): string =>
  files
    .map(({ file, bytes, sha256 }) => `${path.posix.basename(file)}, ${sizeText(bytes)}, SHA-256 ${sha256}`)
    .join('; ');
