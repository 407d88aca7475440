/** A webview panel with the page of the label editor, connected with the document that it shows. */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { Owner } from '../dispose';
import type { PageCommand } from '../protocol/contributions';
import type { EditorApi, ViewApi } from '../protocol/editorApi';
import { connect, type Handlers } from '../rpc';
import type { ActiveEditor } from './activeEditor';
import type { Page } from './image/pages';
import type { LabelDocumentHandle } from './openDocuments';
import { pageHtml } from './page/html';
import { checked } from './page/messages';

export interface LabelPanelOptions {
  readonly extensionUri: vscode.Uri;
  /** Folder of pictures that pages may load. */
  readonly displayDir: string;
  readonly active: ActiveEditor<LabelPanel>;
  /** Runs a button of a page, with the usual treatment of errors. */
  runCommand(command: PageCommand, document: LabelDocumentHandle): Promise<void>;
  readonly log: vscode.LogOutputChannel;
}

export class LabelPanel extends Owner {
  readonly page: Page;

  /** Ends with the panel. */
  constructor(
    readonly document: LabelDocumentHandle,
    panel: vscode.WebviewPanel,
    private readonly options: LabelPanelOptions,
  ) {
    super();
    const { extensionUri, displayDir, active, log } = options;
    const { webview } = panel;
    const dist = vscode.Uri.joinPath(extensionUri, 'dist');
    webview.options = { enableScripts: true, localResourceRoots: [dist, vscode.Uri.file(displayDir)] };
    const peer = connect<ViewApi, EditorApi>(
      {
        post: (message) => void webview.postMessage(message),
        listen: (receive) => this.register(webview.onDidReceiveMessage(receive)),
      },
      checked(this.handlers()),
    );
    const tell =
      <M extends keyof ViewApi>(method: M) =>
      (params: Parameters<ViewApi[M]>[0]) => {
        // A page that is hidden or reloading answers nothing; it asks for everything when it is back.
        peer.call(method, params as never).catch((error: Error) => log.debug(`page: ${error.message}`));
      };
    this.page = {
      view: {
        reset: tell('reset'),
        update: tell('update'),
        showImage: tell('showImage'),
        showFacts: tell('showFacts'),
        act: tell('act'),
        say: tell('say'),
      },
      addressOf: (file) => webview.asWebviewUri(vscode.Uri.file(file)).toString(),
    };
    this.register({ dispose: document.image.connect(this.page) });
    this.register(panel.onDidChangeViewState(() => active.activate(this, panel.active)));
    panel.onDidDispose(() => {
      active.close(this);
      peer.close(new Error('the editor was closed'));
      this.dispose();
    });
    active.activate(this, panel.active);
  }

  private handlers(): Handlers<EditorApi> {
    const { active, log, runCommand } = this.options;
    const { document } = this;
    const { image } = document;
    return {
      ready: () => {
        void image.picture.checkTiles();
        return image.stateFor(this.page);
      },
      paint: (params) => image.paint(this.page, params),
      prompt: (params) => image.prompt(params),
      finishPrompts: () => image.finishPrompts(),
      discardPrompts: () => image.discardPrompts(),
      selectClass: ({ classId }) => image.selectClass(classId),
      addClass: async (params) => ({ classId: await image.addClass(params) }),
      setDisplayWindow: ({ window }) => image.picture.show(window ?? undefined),
      run: ({ command }) => runCommand(command, document),
      setCanvasFocus: ({ focused }) => active.setFocus(this, focused),
      log: ({ level, message }) => log[level](`page: ${message}`),
    };
  }
}

/** The page itself, which asks for its content as soon as it runs. */
export function labelPage(webview: vscode.Webview, extensionUri: vscode.Uri): string {
  const source = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(extensionUri, 'dist', name)).toString();
  return pageHtml({
    script: source('webview.js'),
    style: source('webview.css'),
    cspSource: webview.cspSource,
    nonce: randomBytes(16).toString('base64'),
  });
}
