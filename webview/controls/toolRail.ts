/** The tools, beside the canvas. */

import { CANVAS_TOOLS } from '../../src/protocol/contributions';
import { whyNotCommand, whyNotTool } from './availability';
import { ActionButton, keepFocus, separator, toolbar } from './buttons';
import type { PageActions, PageSnapshot } from './chrome';
import { TOOL_WORDS } from './words';

export class ToolRail {
  readonly element: HTMLElement;
  private readonly buttons = new Map<string, ActionButton>();
  private readonly clear: ActionButton;

  constructor(actions: PageActions) {
    for (const tool of CANVAS_TOOLS) {
      const { name, key } = TOOL_WORDS[tool];
      const button = new ActionButton({
        icon: tool,
        label: name,
        key,
        onRefused: actions.refuse,
        onPress: () => actions.selectTool(tool),
      });
      this.buttons.set(tool, button);
    }
    this.clear = new ActionButton({
      icon: 'clear',
      label: 'Clear class',
      onRefused: actions.refuse,
      onPress: () => actions.clearClass(),
    });
    const buttonOf = (tool: string) => this.buttons.get(tool)?.element ?? separator();
    this.element = toolbar(
      'Tools',
      'vertical',
      buttonOf('pan'),
      separator(),
      ...['positive', 'negative', 'box'].map(buttonOf),
      separator(),
      ...['brush', 'eraser', 'polygon', 'fill'].map(buttonOf),
      separator(),
      this.clear.element,
    );
    this.element.classList.add('rail');
    keepFocus(this.element);
  }

  update({ view, facts, situation }: PageSnapshot): void {
    for (const tool of CANVAS_TOOLS) {
      this.buttons.get(tool)?.update({ pressed: view.tool === tool, reason: whyNotTool(tool, facts) });
    }
    this.clear.update({ reason: whyNotCommand('clearClass', situation) });
  }
}
