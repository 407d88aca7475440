/** Opens the label editor's page: connects it with the host, and shows what goes wrong in it. */
import { UserError } from '../src/core/userError';
import type { EditorApi, ViewApi } from '../src/protocol/editorApi';
import { connect, type Port } from '../src/rpc';
import { element } from './controls/dom';
import type { StateStore } from './document/keptView';
import { EditorPage } from './editorPage';

/** Fills `root`, which must be empty, once the host has said what there is to show. */
export async function openPage(root: HTMLElement, port: Port, store: StateStore): Promise<void> {
  let page: EditorPage | undefined;
  // What comes before the first state is part of it.
  const host = connect<EditorApi, ViewApi>(port, {
    reset: (state) => page?.reset(state),
    update: (update) => page?.model.update(update),
    showImage: (image) => page?.showImage(image),
    showFacts: (facts) => page?.model.showFacts(facts),
    act: ({ action }) => page?.act(action),
    say: ({ text, busy }) => page?.messages.say({ text, kind: busy ? 'busy' : 'plain' }),
  });
  const report = (what: unknown) => {
    const error = what instanceof Error ? what : new Error(String(what));
    void host.call('log', { level: 'error', message: error.stack ?? error.message }).catch(() => undefined);
    page?.messages.remark({
      text: error instanceof UserError ? error.message : `Unexpected error: ${error.message}`,
      kind: 'error',
    });
  };
  window.addEventListener('error', (event) => {
    // Without an error it is a remark of the browser, such as that a ResizeObserver will go on in the next frame.
    if (event.error !== null && event.error !== undefined) report(event.error);
  });
  window.addEventListener('unhandledrejection', (event) => report(event.reason));
  root.replaceChildren(element('p', { class: 'opening', role: 'status' }, 'Opening…'));
  try {
    const state = await host.call('ready', undefined);
    page = new EditorPage(root, host, store, state, report);
  } catch (error) {
    root.replaceChildren(element('p', { class: 'opening failed', role: 'alert' }, (error as Error).message));
    report(error);
  }
}
