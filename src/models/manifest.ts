/** The list of models as data: what an entry of `manifest.json` holds, shipped or of the user. */
import { join } from 'node:path';
import * as z from 'zod';
import { oneLine, UserError } from '../core/userError';
import { writeAtomic } from '../disk/atomicFile';
import { FILE_KINDS, readNamed, textOf } from '../disk/guardedFile';
import { sha256 } from '../disk/hashing';
import { familyTraits } from './families';

export type ModelKind = 'encoder' | 'segmenter';

const fileSchema = z.object({
  /** The family's graphs (`model`, or `encoder` and `decoder`); other roles are read by them from the same folder. */
  role: z.string().min(1),
  /** Path below the manifest's folder, with forward slashes. */
  file: z
    .string()
    .min(1)
    .refine((file) => !file.includes('\\') && !file.startsWith('/') && !file.split('/').includes('..'), {
      error: 'must stay below the manifest',
    }),
  /** Where the file can be had; one without a URL is shipped or imported. */
  url: z.url({ protocol: /^https?$/ }).optional(),
  /** Other places of the same file, tried in order where `url` does not have it. */
  mirrors: z.array(z.url({ protocol: /^https?$/ })).optional(),
  /** Unknown for some files that can be downloaded: what arrives is shown to the user, and pinned once accepted. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  bytes: z.int().positive().optional(),
});

/** Values per channel, red first, of pixels scaled to 0..1: as `image_mean` and `image_std` of a Hugging Face model. */
const channelsSchema = z.tuple([z.number(), z.number(), z.number()]);

/** What an adapter does differently for this model than for others of its family; part of the model's identity. */
const settingsShape = {
  /** Side in pixels of the square that images are resized to; default: the family's. */
  inputSide: z.int().positive().optional(),
  /** Pixels per patch token; default: the family's. */
  patchSize: z.int().positive().optional(),
  /** Register tokens between the class token and the patches; default: what the number of tokens leaves. */
  registers: z.int().nonnegative().optional(),
  mean: channelsSchema.optional(),
  std: channelsSchema.refine((values) => values.every((value) => value > 0), { error: 'must be positive' }).optional(),
  /** Spreads each image's own smallest and largest value over 0..1 instead, as MedSAM was trained. */
  ownRange: z.boolean().optional(),
  /** Whether a segmenter sees images at their aspect ratio, padded below or to the right, or stretched to a square. */
  placement: z.enum(['padded', 'stretched']).optional(),
  /** A segmenter that was trained with boxes: points are given as the box around them where its graph takes boxes. */
  boxesOnly: z.boolean().optional(),
  /**
   * Name of a further output with the tokens before the last norm, of the same shape: what strategy `matcher` prefers.
   */
  preNormTokens: z.string().min(1).optional(),
  /** Directions of position that are taken out of DINOv3's tokens; 0 takes out none. */
  positionalRank: z.int().nonnegative().optional(),
  /**
   * The graph's weights are int8 with dequantise nodes behind them: run as they are. Harmful where activations are too.
   */
  int8Weights: z.boolean().optional(),
};

export const entrySchema = z
  .object({
    id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'must be lower-case letters, digits, ".", "_" or "-"'),
    kind: z.enum(['encoder', 'segmenter']),
    /** Name of the adapter that knows the graph's inputs and outputs. */
    family: z.string().min(1),
    title: z.string().min(1),
    /** SPDX expression, or `user` where the user answers for it. */
    licence: z.string().min(1),
    licenceFile: z.string().optional(),
    origin: z.string(),
    ...settingsShape,
    notes: z.string().optional(),
    /** Public data sets that the model was trained on: accuracy measured there says little. */
    seenInTraining: z.array(z.string()).optional(),
    /** Where the hashes come from, where not from the files themselves: manifests of others, unverified by download. */
    hashOrigin: z.literal('third-party').optional(),
    files: z
      .array(fileSchema)
      .min(1)
      .refine((files) => new Set(files.map(({ role }) => role)).size === files.length, {
        error: 'must not repeat a role',
      })
      .refine((files) => files.every(({ url, sha256, bytes }) => url !== undefined || (sha256 && bytes)), {
        error: 'must give SHA-256 and size of files without a URL',
      }),
  })
  .superRefine(({ kind, family, files }, context) => {
    // A family of a later version says itself what it needs.
    for (const graph of familyTraits(kind, family)?.graphs ?? []) {
      if (files.some(({ role }) => role === graph)) continue;
      context.addIssue({ code: 'custom', path: ['files'], message: `must hold exactly one file of role "${graph}"` });
    }
  });

const manifestSchema = z.object({ version: z.literal(1), models: z.array(entrySchema) });

export type ModelEntry = Readonly<z.infer<typeof entrySchema>>;
export type ModelFile = Readonly<z.infer<typeof fileSchema>>;

/** A file whose content is known, from the manifest or from what the user has accepted. */
export type KnownFile = ModelFile & { readonly sha256: string; readonly bytes: number };

const MANIFEST = 'manifest.json';

/** Entries of the manifest in `dir`; none where there is no manifest. Throws UserError on a broken one. */
export async function readManifest(dir: string): Promise<ModelEntry[]> {
  const path = join(dir, MANIFEST);
  const bytes = await readNamed(path, FILE_KINDS.record);
  if (bytes === null) return [];
  try {
    return manifestSchema.parse(JSON.parse(textOf(bytes))).models;
  } catch (cause) {
    const why = cause instanceof z.ZodError ? explain(cause) : 'it is not JSON';
    throw new UserError(`The list of models ${path} is not valid: ${why}.`, { cause });
  }
}

export const explain = ({ issues }: z.ZodError): string =>
  oneLine(issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));

/**
 * What stands for a model in keys of caches and runs: its files and its settings, those of its family too, so that a
 * family's that change with the program are not taken for what they were.
 */
export function identityHash(entry: Omit<ModelEntry, 'files'> & { readonly files: readonly KnownFile[] }): string {
  const usual: Partial<Record<string, unknown>> = { ...familyTraits(entry.kind, entry.family) };
  const files = entry.files.map(({ role, sha256 }) => `${role} ${sha256}\n`).sort();
  const settings = Object.keys(settingsShape).flatMap((name) => {
    const value = entry[name as keyof typeof settingsShape] ?? usual[name];
    return value === undefined ? [] : [`${name} ${JSON.stringify(value)}\n`];
  });
  return sha256([...files, ...settings].join(''));
}

/** Replaces the manifest in `dir`. */
export async function writeManifest(dir: string, models: readonly ModelEntry[]): Promise<void> {
  await writeAtomic(join(dir, MANIFEST), `${JSON.stringify({ version: 1, models }, null, 2)}\n`, { isPrivate: true });
}
