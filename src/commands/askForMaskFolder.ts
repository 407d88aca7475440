/** The question about masks outside their project. */
import * as vscode from 'vscode';

const ALLOW = 'Allow';

/** Asks whether masks may be written into a folder that a project names and that is not its own. */
export async function askForMaskFolder(root: string, folder: string): Promise<boolean> {
  const question = `Write the masks of ${root} into ${folder}?`;
  const detail =
    'The project names this folder, which lies outside it or behind a link. Allow it if you have set it up like this yourself, and not if the project came from somebody else. You are asked once for each project.';
  return (await vscode.window.showWarningMessage(question, { modal: true, detail }, ALLOW)) === ALLOW;
}
