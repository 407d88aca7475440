/** What is on disk of a known model, judged by the sizes of its files. */
import { stat } from 'node:fs/promises';
import { UserError } from '../core/userError';
import type { InstallRecord } from './installRecord';
import type { ModelEntry, ModelFile } from './manifest';
import { label, modelBytes, sizeText } from './modelDescription';
import { partBytes } from './partFile';

/** An entry and where its files are, or will be. */
export interface LocatedModel {
  readonly entry: ModelEntry;
  readonly source: 'shipped' | 'user';
  /** Absolute path of a file of the entry. */
  pathOf(file: ModelFile): string;
  readonly record: InstallRecord | undefined;
}

/**
 * `available`: can be downloaded, nothing is there; `partial`: a download has begun; `damaged`: a file is missing or
 * has the wrong size, or was found wrong by `verify`.
 */
type ModelState = 'shipped' | 'imported' | 'downloaded' | 'available' | 'partial' | 'damaged';

/** One row of `models list`. */
export interface ListedModel {
  /** With the sizes and hashes that the user has accepted, where the manifest has none. */
  readonly entry: ModelEntry;
  readonly source: 'shipped' | 'user';
  readonly state: ModelState;
  /** Bytes of the model that are on disk, parts included. */
  readonly bytesHere: number;
}

/** A model that is used although it has not been downloaded: known by its name on both ends of a process. */
export class ModelMissingError extends UserError {
  override readonly name = 'ModelMissingError';
}

/** Reads no file, only asks for sizes. */
export async function toRow(located: LocatedModel): Promise<ListedModel> {
  const { entry, source, pathOf, record } = located;
  const sizes = await Promise.all(entry.files.map((file) => stat(pathOf(file)).catch(() => undefined)));
  const parts = await Promise.all(entry.files.map((file) => partBytes(pathOf(file))));
  const bytesHere = [...sizes.map((stats) => stats?.size), ...parts].reduce<number>(
    (sum, size) => sum + (size ?? 0),
    0,
  );
  const row = { entry, source, bytesHere };
  const isDamaged = (file: ModelFile, i: number) => {
    const size = sizes[i]?.size;
    return size === undefined ? file.url === undefined : file.bytes !== undefined && size !== file.bytes;
  };
  if (entry.files.some(isDamaged)) return { ...row, state: 'damaged' };
  if (entry.files.every(({ url }) => url === undefined)) {
    return { ...row, state: source === 'shipped' ? 'shipped' : 'imported' };
  }
  const complete = entry.files.every(({ sha256 }, i) => sizes[i] !== undefined && sha256 !== undefined);
  if (complete) return { ...row, state: record?.how ?? 'downloaded' };
  return { ...row, state: bytesHere > 0 ? 'partial' : 'available' };
}

/** Throws ModelMissingError for a model that has yet to be downloaded, in whole or in part. */
export async function refuseMissing(located: LocatedModel): Promise<void> {
  const { state, bytesHere, entry } = await toRow(located);
  if (state !== 'available' && state !== 'partial') return;
  const size = sizeText(modelBytes(entry));
  const what =
    state === 'available'
      ? `is not downloaded yet (${size}, ${entry.licence})`
      : `is downloaded only in part (${sizeText(bytesHere)} of ${size})`;
  throw new ModelMissingError(
    `The ${label(entry)} ${what}: run "ap-medsam models download ${entry.id}", or choose "AP-MedSAM: Download Model..." in VS Code.`,
  );
}
