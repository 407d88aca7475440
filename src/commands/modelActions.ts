/**
 * What can be done to a model from the Models view and the palette: download, remove, check, import its files, choose
 * it.
 */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import { Outcome, UserError } from '../core/userError';
import type { ModelClient } from '../downloads/modelClient';
import { modelBytes, sizeText } from '../models/modelDescription';
import { type ListedModel, ModelMissingError } from '../models/modelState';
import type { ModelStore } from '../models/modelStore';
import type { ModelName, UnknownFile } from '../protocol/modelApi';
import type { DownloadJobs } from '../views/downloadJobs';
import { isOfficial, isReady, type ModelNode, type ModelsView } from '../views/modelTree';

export interface ModelContext {
  readonly store: Pick<ModelStore, 'list' | 'locate' | 'remove' | 'requirePresent'>;
  readonly client: Pick<ModelClient, 'importFiles' | 'importModel'>;
  readonly jobs: DownloadJobs;
  readonly view: ModelsView;
  /** Makes a model the one that new projects start with. */
  readonly useByDefault: (name: ModelName) => Promise<void>;
  /** Host that downloads come from in place of those of the models, if the settings name one. */
  readonly mirror: () => string | undefined;
}

/** Downloads a model after showing its size and licence; asks for one where none is given. */
export async function downloadModel(context: ModelContext, node?: ModelNode): Promise<void> {
  const model =
    node?.model ??
    (await pickModel(context, 'Model to download', 'Every official model is there already.', (one) => {
      return isOfficial(one) && !isReady(one);
    }));
  if (model.state === 'available') await showLicence(context, model);
  await fetchModel(context, model.entry);
  const use = 'Use by Default';
  const choice = vscode.window.showInformationMessage(
    `The ${model.entry.kind} "${model.entry.id}" is downloaded and checked.`,
    use,
  );
  void choice.then(async (chosen) => chosen === use && (await context.useByDefault(model.entry)));
}

export function cancelDownload({ jobs }: ModelContext, { model }: ModelNode): void {
  jobs.cancel(model.entry);
}

/** Deletes a model's files after asking. */
export async function removeModel(context: ModelContext, node?: ModelNode): Promise<void> {
  const model =
    node?.model ??
    (await pickModel(context, 'Model to remove', 'Nothing was downloaded or imported.', (one) => {
      return one.state !== 'available' && (isOfficial(one) || one.source === 'user');
    }));
  const { entry, bytesHere } = model;
  const remove = 'Remove';
  const again = isOfficial(model) ? 'It can be downloaded again.' : 'It has to be imported again to be used again.';
  const choice = await vscode.window.showWarningMessage(
    `Remove the ${entry.kind} "${entry.id}"?`,
    { modal: true, detail: `${sizeText(bytesHere)} become free. ${again}` },
    remove,
  );
  if (choice !== remove) throw new vscode.CancellationError();
  await context.store.remove(entry);
  context.view.refresh(entry);
}

export async function verifyModels({ view }: Pick<ModelContext, 'view'>, node?: ModelNode): Promise<void> {
  const what = node ? `the ${node.model.entry.kind} "${node.model.entry.id}"` : 'models';
  const problems = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `Checking ${what}` },
    () => view.verify(node?.model.entry),
  );
  if (problems.length > 0) throw new UserError(problems.join(' '));
  void vscode.window.showInformationMessage(
    `Every ${node ? `file of ${what}` : 'model file'} is what its SHA-256 says.`,
  );
}

/** Takes files that were downloaded by other means, such as a browser. */
export async function importModelFiles({ client, view }: ModelContext, { model }: ModelNode): Promise<void> {
  const { entry } = model;
  const names = entry.files.map(({ file }) => basename(file)).join(', ');
  const files = await vscode.window.showOpenDialog({
    title: `Files of ${entry.id}: ${names}`,
    openLabel: 'Import',
    canSelectMany: true,
  });
  if (!files) throw new vscode.CancellationError();
  const missing = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `Importing ${entry.id}` },
    () =>
      client.importFiles(
        entry,
        files.map(({ fsPath }) => fsPath),
      ),
  );
  view.refresh(entry);
  const rest = missing.length === 0 ? 'is imported and checked' : `still misses ${missing.join(', ')}`;
  void vscode.window.showInformationMessage(`The ${entry.kind} "${entry.id}" ${rest}.`);
}

export async function useModelByDefault({ useByDefault, view }: ModelContext, { model }: ModelNode): Promise<void> {
  const { entry } = model;
  await useByDefault(entry);
  view.refresh(entry);
  void vscode.window.showInformationMessage(
    `New projects start with the ${entry.kind} "${entry.id}"; existing ones keep what their project.json says.`,
  );
}

/** Offers to download what a project needs and is not there. Throws CancellationError where the person declines. */
export async function requireModels(
  context: ModelContext,
  { encoder, segmenter }: { readonly encoder: string; readonly segmenter: string },
): Promise<void> {
  const names: readonly ModelName[] = [
    { kind: 'encoder', id: encoder },
    { kind: 'segmenter', id: segmenter },
  ];
  for (const name of names) {
    try {
      await context.store.requirePresent(name);
    } catch (error) {
      if (!(error instanceof ModelMissingError)) throw error;
      const model = (await context.store.list()).find(({ entry }) => entry.kind === name.kind && entry.id === name.id)!;
      await showLicence(context, model);
      await fetchModel(context, name);
    }
  }
}

/** Asks about a file whose content nobody but the person can judge. */
export async function confirmFiles({ kind, id }: ModelName, files: readonly UnknownFile[]): Promise<boolean> {
  const accept = 'Accept and Remember';
  const list = files.map(({ file, from, sha256, bytes }) => `${file}, ${bytes} bytes\nSHA-256 ${sha256}\nfrom ${from}`);
  const choice = await vscode.window.showWarningMessage(
    `Nobody has published a SHA-256 for these files of the ${kind} "${id}".`,
    {
      modal: true,
      detail: `Compare it with a copy that you trust, or with the page of their origin. From now on only this content is accepted.\n\n${list.join('\n\n')}`,
    },
    accept,
  );
  return choice === accept;
}

async function fetchModel({ jobs, view }: ModelContext, name: ModelName): Promise<void> {
  try {
    await jobs.run({ kind: name.kind, id: name.id });
  } finally {
    view.refresh(name);
  }
}

/** The one place where a download begins that was not there before: size, licence and origin first. */
async function showLicence({ mirror }: ModelContext, { entry, state, bytesHere }: ListedModel): Promise<void> {
  const { kind, id, title, licence, origin, files, hashOrigin } = entry;
  const hosts = [...new Set(files.flatMap(({ url }) => (url === undefined ? [] : new URL(url).host)))];
  const known = files.every(({ sha256 }) => sha256 !== undefined);
  const go = state === 'partial' ? 'Go On' : 'Download';
  const lines = [
    title,
    `Size: ${sizeText(modelBytes(entry))}${state === 'partial' ? `, of which ${sizeText(bytesHere)} are here` : ''}`,
    `Licence: ${licence}`,
    `Origin: ${origin}`,
    `From: ${mirror() ?? hosts.join(', ')}`,
    known
      ? `Checked by SHA-256${hashOrigin === 'third-party' ? ', which comes from public lists of others' : ''}.`
      : 'Nobody has published its SHA-256: you will be asked whether to accept what arrives.',
  ];
  const question = state === 'partial' ? 'is downloaded only in part' : 'is not downloaded yet';
  const choice = await vscode.window.showInformationMessage(
    `The ${kind} "${id}" ${question}.`,
    { modal: true, detail: lines.join('\n') },
    go,
  );
  if (choice !== go) throw new vscode.CancellationError();
}

async function pickModel(
  { store }: ModelContext,
  title: string,
  none: string,
  fits: (model: ListedModel) => boolean,
): Promise<ListedModel> {
  const models = (await store.list()).filter(fits);
  if (models.length === 0) throw new Outcome(none);
  const picked = await vscode.window.showQuickPick(
    models.map((model) => ({
      label: model.entry.id,
      description: `${model.entry.kind}, ${sizeText(modelBytes(model.entry))}, ${model.entry.licence}`,
      detail: model.entry.title,
      model,
    })),
    { title, matchOnDescription: true, matchOnDetail: true },
  );
  if (!picked) throw new vscode.CancellationError();
  return picked.model;
}
