/** Looks at a laid-out page as a person does: what of each control can be seen and pressed. Runs in the page. */
import type { Layout } from './scene';

export function lookAtLayout(): Layout {
  const controls = [
    ...document.querySelectorAll<HTMLElement>('button, vscode-button, vscode-checkbox, input, summary'),
  ].filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.offsetWidth > 0);
  const nameOf = (one: HTMLElement) => one.getAttribute('aria-label') ?? one.title ?? one.textContent?.trim() ?? '';
  const faults: string[] = [];
  const seen: { readonly of: HTMLElement; readonly box: DOMRect }[] = [];
  for (const one of controls) {
    const { box, isCut } = visiblePart(one);
    if (isCut) faults.push(`${nameOf(one)} is cut off`);
    if (box.width < 1 || box.height < 1) continue;
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    if (top === null || !(one.contains(top) || top.contains(one))) {
      faults.push(`${nameOf(one)} lies under ${top?.className}`);
    }
    for (const other of seen) {
      if (overlap(box, other.box)) faults.push(`${nameOf(one)} and ${nameOf(other.of)} overlap`);
    }
    seen.push({ of: one, box });
  }
  const bars = document.documentElement;
  if (bars.scrollWidth > bars.clientWidth) faults.push('the page is wider than its window');
  return { faults, picture: seenOfPicture() };
}

/** What its scrollers and the window leave of an element; `isCut` where no scrolling of a person's brings the rest. */
function visiblePart(one: HTMLElement): { box: DOMRect; isCut: boolean } {
  let box = one.getBoundingClientRect();
  let isCut = false;
  const clip = (by: DOMRect, scrollsX: boolean, scrollsY: boolean) => {
    const left = Math.max(box.left, by.left);
    const top = Math.max(box.top, by.top);
    const width = Math.max(0, Math.min(box.right, by.right) - left);
    const height = Math.max(0, Math.min(box.bottom, by.bottom) - top);
    isCut ||= (width < box.width - 1 && !scrollsX) || (height < box.height - 1 && !scrollsY);
    box = new DOMRect(left, top, width, height);
  };
  for (let at = one.parentElement; at !== null && at !== document.body; at = at.parentElement) {
    const { overflowX, overflowY } = getComputedStyle(at);
    if (overflowX === 'visible' && overflowY === 'visible') continue;
    clip(at.getBoundingClientRect(), overflowX === 'auto', overflowY === 'auto');
  }
  clip(new DOMRect(0, 0, window.innerWidth, window.innerHeight), false, false);
  return { box, isCut };
}

/** More than a common border. */
function overlap(a: DOMRect, b: DOMRect): boolean {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width > 1 && height > 1;
}

function seenOfPicture(): Layout['picture'] {
  const viewer = document.querySelector<HTMLElement>('.viewer');
  if (viewer === null) return { width: 0, height: 0, free: 0 };
  const { x, y, width, height } = visiblePart(viewer).box;
  const steps = 20;
  let free = 0;
  for (let k = 0; k < steps ** 2; k++) {
    const column = (k % steps) + 0.5;
    const row = Math.floor(k / steps) + 0.5;
    const top = document.elementFromPoint(x + (width * column) / steps, y + (height * row) / steps);
    if (top !== null && (viewer.contains(top) || top.contains(viewer))) free++;
  }
  return { width, height, free: free / steps ** 2 };
}
