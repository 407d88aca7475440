/** `ap-medsam models list | verify | import`. */
import path from 'node:path';
import { encoderFamilyNames, familyTraits, segmenterFamilyNames } from '../engine/families';
import type { ListedModel } from '../engine/modelStore';
import { type Arguments, type Command, type CommandContext, EXIT, UsageError } from './command';
import { jsonOption } from './options';
import { textTable } from './textTable';

const familyNames: Readonly<Record<'encoder' | 'segmenter', readonly string[]>> = {
  encoder: encoderFamilyNames,
  segmenter: segmenterFamilyNames,
};

const twoGraphFamilies = segmenterFamilyNames.filter((name) => familyTraits('segmenter', name)!.graphs.length > 1);

export const modelsList: Command = {
  name: 'models list',
  summary: 'the models that are installed',
  usage: '[options]',
  description: ['Lists shipped and imported models with their size, licence and what they were trained on.'],
  options: { json: jsonOption },
  examples: ['ap-medsam models list'],
  async run(args, { store, out }) {
    const models = await store.list();
    if (args.flag('json')) {
      for (const { entry, source } of models) out(JSON.stringify({ ...entry, source }));
      return EXIT.done;
    }
    out(
      textTable(
        ['id', 'kind', 'family', 'size', 'licence', 'source', 'title'],
        models.map(({ entry, source }) => [
          entry.id,
          entry.kind,
          entry.family,
          megabytes(entry.files.reduce((sum, { bytes }) => sum + bytes, 0)),
          entry.licence,
          source,
          entry.title,
        ]),
      ),
    );
    return EXIT.done;
  },
};

export const modelsVerify: Command = {
  name: 'models verify',
  summary: 'check every model file against its SHA-256',
  usage: '[options]',
  description: ['Reads every file of every installed model. Exit code 1 when one is missing, truncated or altered.'],
  options: { json: jsonOption },
  examples: ['ap-medsam models verify'],
  async run(args, { store, out }) {
    const rows = await store.verify();
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
  summary: 'add a local ONNX model',
  usage:
    '<model.onnx> [<decoder.onnx>] [external data file]... --id <id> --kind <encoder|segmenter> --family <name> [options]',
  description: [
    'Copies the files into the home folder (AP_MEDSAM_HOME, or the place your system keeps application data) and records their SHA-256. The originals are not needed afterwards.',
    `Families: ${familyNames.encoder.join(', ')} for encoders, ${familyNames.segmenter.join(', ')} for segmenters; a model's inputs and outputs are checked against its family's when it is first used.`,
    `Segmenters of the families ${twoGraphFamilies.join(', ')} are two ONNX files: first the image encoder, then the mask decoder. Weights that a graph keeps in other files (such as model.onnx_data) follow them.`,
    "What a model does differently from its family (normalisation, patch size, registers and more) is said in its entry of the home's models/manifest.json, see models/README.md.",
  ],
  options: {
    id: { value: 'id', help: 'name for --encoder or --segmenter: lower-case letters, digits, ".", "_" and "-"' },
    kind: { value: 'kind', help: 'encoder or segmenter' },
    family: { value: 'name', help: 'the adapter that knows the inputs and outputs' },
    title: { value: 'text', help: 'a line about the model; default: the id' },
    licence: { value: 'spdx', help: 'its licence; you answer for it', default: 'user' },
    side: { value: 'px', help: "side of the input images; default: the family's" },
    json: jsonOption,
  },
  takesFiles: true,
  examples: [
    'ap-medsam models import dinov2-small.onnx --id dinov2-small --kind encoder --family dinov2 --side 560',
    'ap-medsam models import sam_vit_b.encoder.onnx sam_vit_b.decoder.onnx --id sam-vit-b --kind segmenter --family sam',
  ],
  run: importModel,
};

async function importModel(args: Arguments, { store, out }: CommandContext): Promise<number> {
  const [id, kind, family] = ['id', 'kind', 'family'].map((name) => required(args, name));
  if (kind !== 'encoder' && kind !== 'segmenter') {
    throw new UsageError(`--kind should be encoder or segmenter, got "${kind}"`);
  }
  if (!familyNames[kind].includes(family)) {
    throw new UsageError(`--family for --kind ${kind} should be ${familyNames[kind].join(' or ')}, got "${family}"`);
  }
  if (args.positionals.length === 0) throw new UsageError('name the ONNX file to import');
  const title = args.text('title');
  const inputSide = args.count('side');
  const entry = await store.importModel({
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

function required(args: Arguments, name: string): string {
  const value = args.text(name);
  if (value === undefined) throw new UsageError(`--${name} is missing`);
  return value;
}

const describeFiles = ({ files }: ListedModel['entry']): string =>
  files
    .map(({ file, bytes, sha256 }) => `${path.posix.basename(file)}, ${megabytes(bytes)}, SHA-256 ${sha256}`)
    .join('; ');

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
