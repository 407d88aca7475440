/** The page of an image that cannot be shown: it says why, and what can be done. */
import { basename } from 'node:path';
import { commandId } from '../../protocol/contributions';

interface Unreadable {
  readonly uri: { readonly path: string };
  /** One sentence. */
  readonly problem: string;
  /** Where it stands; null where nothing is there, and no next image either. */
  readonly place: unknown;
}

/** Commands that the page may run: they mean the image of the active editor, since a link cannot name a remote file. */
export const UNREADABLE_COMMANDS: readonly string[] = [commandId('tryAgain'), commandId('nextImage')];

/** A page without scripts: its buttons are links to commands. */
export function unreadableHtml(
  { uri, problem, place }: Unreadable,
  { style, cspSource }: { readonly style: string; readonly cspSource: string },
): string {
  const link = (command: string, label: string, kind: string) =>
    `<a class="page-button ${kind}" role="button" href="command:${command}">${label}</a>`;
  const [tryAgain, nextImage] = UNREADABLE_COMMANDS;
  return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${cspSource}; base-uri 'none'; form-action 'none'">
  <title>Label Editor</title>
  <link rel="stylesheet" href="${style}">
</head>
<body class="unreadable">
  <main>
    <h1>${escaped(basename(uri.path))} cannot be shown</h1>
    <p role="alert">${escaped(problem)}</p>
    <p class="quiet">Repair or replace the file, then try again. Other images are not affected, and a mask that is there stays.</p>
    <p class="button-row">${link(tryAgain, 'Try Again', 'primary')}${place ? link(nextImage, 'Next Image', 'secondary') : ''}</p>
  </main>
</body>
</html>`;
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
