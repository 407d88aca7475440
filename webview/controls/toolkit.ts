/**
 * The only file that knows the component library: everything else uses its elements by tag name and the few properties
 * named here, so that another library is a change of this file.
 */
import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeProgressRing,
} from '@vscode/webview-ui-toolkit';

/** What the page reads and writes of `vscode-checkbox`. It fires `change`. */
export interface CheckboxElement extends HTMLElement {
  checked: boolean;
}

/** Makes the elements work; those already in the page too. */
export function registerComponents(): void {
  provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeCheckbox(), vsCodeProgressRing());
}
