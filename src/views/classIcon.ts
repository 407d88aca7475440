/** A round swatch in a class's colour, as tree views show it. */
import * as vscode from 'vscode';

/** @param colour as #rrggbb */
export function classIcon(colour: string): vscode.Uri {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5.5" fill="${colour}" stroke="#808080" stroke-width="1"/></svg>`;
  return vscode.Uri.parse(`data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`);
}
