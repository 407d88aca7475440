/** Entry of the label editor's page: connects it with the extension host. */
import type { Port } from '../src/rpc';
import { registerComponents } from './controls/toolkit';
import type { StateStore } from './document/keptView';
import { openPage } from './openPage';
import './style.css';

/** What VS Code gives to the script of a webview, once. */
interface WebviewApi extends StateStore {
  postMessage(message: unknown): void;
}

declare function acquireVsCodeApi(): WebviewApi;

const webview = acquireVsCodeApi();

const port: Port = {
  post: (message) => webview.postMessage(message),
  listen: (receive) => window.addEventListener('message', (event) => receive(event.data)),
};

registerComponents();
void openPage(document.body, port, webview);
