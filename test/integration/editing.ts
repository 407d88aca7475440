/** What specs of the editor share: the extension's own objects, waiting, and the files that it leaves. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { JournalLine } from '../../src/dataset/journal/journal';
import type { Page } from '../../src/editor/image/pages';
import type { TestApi } from '../../src/extension';
import { sampleName } from '../vscode/samples';
import { extension } from './workspace';

/** The extension's objects, which it gives to tests only. */
export async function api(): Promise<TestApi> {
  return (await extension().activate()) as TestApi;
}

export const activeTab = (): vscode.Tab | undefined => vscode.window.tabGroups.activeTabGroup.activeTab;

/** Waits until a condition holds; fails after ten seconds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`this never became true: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const maskOf = (folder: vscode.Uri, n: number): string => path.join(folder.fsPath, 'masks', sampleName(n));

/** All journal lines of a folder in the order of their times. */
export async function journalOf(folder: vscode.Uri): Promise<JournalLine[]> {
  const dir = path.join(folder.fsPath, '.apmedsam', 'journal');
  const texts = await Promise.all((await readdir(dir)).map((name) => readFile(path.join(dir, name), 'utf8')));
  return texts
    .flatMap((text) => text.split('\n').filter(Boolean))
    .map((line) => JSON.parse(line) as JournalLine)
    .sort((a, b) => (a.time < b.time ? -1 : 1));
}

/** A page that nobody looks at, for edits that need one to come from. */
export const listener = (): Page => {
  const ignore = () => undefined;
  return {
    view: { reset: ignore, update: ignore, showImage: ignore, showFacts: ignore, act: ignore, say: ignore },
    addressOf: (file) => file,
  };
};
