/** Import Model: a local ONNX file becomes a model of ours; asks for what the manifest needs to know. */
import { basename, extname } from 'node:path';
import * as vscode from 'vscode';
import { encoderFamilyNames, segmenterFamilyNames } from '../models/families';
import type { ModelContext } from './modelActions';

const FAMILIES = { encoder: encoderFamilyNames, segmenter: segmenterFamilyNames } as const;

export async function importModel({ client, view }: Pick<ModelContext, 'client' | 'view'>): Promise<void> {
  const files = await vscode.window.showOpenDialog({
    title: 'ONNX model (an encoder and a decoder for most segmenters), with its external data files if it has any',
    openLabel: 'Import',
    canSelectMany: true,
    filters: { 'ONNX models': ['onnx', 'onnx_data', 'data'] },
  });
  if (!files) throw new vscode.CancellationError();
  // The model first: what else was chosen is its data.
  const paths = files.map(({ fsPath }) => fsPath).sort((a, b) => Number(isOnnx(b)) - Number(isOnnx(a)));
  const kind = await pick(['encoder', 'segmenter'] as const, 'What is it?');
  const family = await pick(FAMILIES[kind], 'Family, whose adapter knows its inputs and outputs');
  const id = await ask('Id, for settings and project.json', suggestedId(paths[0]), (text) =>
    /^[a-z0-9][a-z0-9._-]*$/.test(text) ? undefined : 'Lower-case letters, digits, ".", "_" and "-".',
  );
  const licence = await ask('Licence (SPDX); you answer for it', 'user', (text) =>
    text.trim() === '' ? 'A licence is needed.' : undefined,
  );
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: `Importing ${basename(paths[0])}` },
    () => client.importModel({ paths, id, kind, family, licence }),
  );
  view.refresh();
  void vscode.window.showInformationMessage(
    `The ${kind} "${id}" is imported. Name it in the settings or in project.json.`,
  );
}

const isOnnx = (path: string): boolean => extname(path) === '.onnx';

const suggestedId = (path: string): string =>
  basename(path, extname(path))
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-');

async function pick<T extends string>(items: readonly T[], title: string): Promise<T> {
  if (items.length === 1) return items[0];
  const picked = await vscode.window.showQuickPick(items, { title });
  if (!picked) throw new vscode.CancellationError();
  return picked as T;
}

async function ask(title: string, value: string, validateInput: (text: string) => string | undefined): Promise<string> {
  const text = await vscode.window.showInputBox({ title, value, validateInput });
  if (text === undefined) throw new vscode.CancellationError();
  return text.trim();
}
