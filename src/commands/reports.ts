/** Read-only documents with what a run has to tell, such as its failures. */
import * as vscode from 'vscode';
import { Owner } from '../dispose';

const SCHEME = 'apmedsam-report';

export class Reports extends Owner implements vscode.TextDocumentContentProvider {
  private readonly texts = new Map<string, string>();
  private count = 0;

  constructor() {
    super();
    this.register(vscode.workspace.registerTextDocumentContentProvider(SCHEME, this));
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.toString()) ?? '';
  }

  /** Opens a Markdown text under a title. Kept until the window closes: it may be shown again. */
  async show(title: string, text: string): Promise<void> {
    const uri = vscode.Uri.from({
      scheme: SCHEME,
      path: `/${title.replaceAll(/[/\\]/g, ' ')}.md`,
      query: `${++this.count}`,
    });
    this.texts.set(uri.toString(), text);
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), { preview: true });
  }
}
