/** How the layers of the viewer look. */

/** Display window of 8-bit pixels, 0 to 255: `low` and below is black, `high` and above is white, linear in between. */
export interface Brightness {
  readonly low: number;
  readonly high: number;
}

export interface LayerStyle {
  readonly brightness: Brightness;
  /** Opacities are 0 to 1. */
  readonly maskOpacity: number;
  readonly maskVisible: boolean;
  readonly promptsVisible: boolean;
  /** Candidates that did not become prompts; only where prompts are visible. */
  readonly rejectedVisible: boolean;
  readonly heatMapVisible: boolean;
  readonly heatMapOpacity: number;
}

export const DEFAULT_STYLE: LayerStyle = {
  brightness: { low: 0, high: 255 },
  maskOpacity: 0.5,
  maskVisible: true,
  promptsVisible: true,
  rejectedVisible: false,
  heatMapVisible: false,
  heatMapOpacity: 0.6,
};

/** What each of the 256 values of an 8-bit channel is shown as, 0 to 255. A window without width is a threshold. */
export function brightnessTable({ low, high }: Brightness): number[] {
  return Array.from({ length: 256 }, (_, value) => {
    if (high <= low) return value > low ? 255 : 0;
    return Math.round(Math.min(255, Math.max(0, ((value - low) * 255) / (high - low))));
  });
}
