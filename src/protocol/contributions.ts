/**
 * Names that the code shares with package.json: commands, views, the editor and its context key. package.json lists the
 * same with titles, menus and keys, and a test compares the two.
 */

/** Tools of the canvas: exactly one is active. */
export const CANVAS_TOOLS = ['pan', 'positive', 'negative', 'box', 'brush', 'eraser', 'polygon', 'fill'] as const;
export type CanvasTool = (typeof CANVAS_TOOLS)[number];

/** What keys do on the canvas: choose a tool, or act at once. */
export const CANVAS_ACTIONS = [
  ...CANVAS_TOOLS,
  'finish',
  'cancel',
  'deletePoint',
  'brushSmaller',
  'brushLarger',
  'zoomIn',
  'zoomOut',
  'zoomFit',
  'zoomActual',
  'toggleMask',
  'togglePrompts',
  'toggleHeatMap',
  'clearClass',
] as const;
export type CanvasAction = (typeof CANVAS_ACTIONS)[number];

/** Commands but for those of the canvas. */
export const COMMANDS = [
  'openEditor',
  'segmentImage',
  'segmentFolder',
  'useAsReference',
  'setReferenceFromFiles',
  'clearReferences',
  'removeReference',
  'reviewNext',
  'labelDoubtful',
  'nextImage',
  'previousImage',
  'tryAgain',
  'acceptMask',
  'loadMask',
  'saveMaskAs',
  'manageModels',
  'verifyModels',
  'verifyModel',
  'downloadModel',
  'cancelDownload',
  'removeModel',
  'importModelFiles',
  'useModelByDefault',
  'importModel',
  'selectDevice',
  'installCuda',
  'removeCuda',
  'showLog',
  'openSamples',
  'sortReview',
  'refreshReview',
] as const;
export type CommandName = (typeof COMMANDS)[number] | `canvas.${CanvasAction}`;

/** Commands of VS Code itself that pages offer: name of the button -> id. */
export const WORKBENCH_COMMANDS = {
  undo: 'undo',
  redo: 'redo',
  save: 'workbench.action.files.save',
  manageTrust: 'workbench.trust.manage',
} as const;
export type WorkbenchCommand = keyof typeof WORKBENCH_COMMANDS;

/** Buttons of the editor's page that are commands of the host. */
export const PAGE_COMMANDS = [
  'segmentImage',
  'acceptMask',
  'useAsReference',
  'loadMask',
  'nextImage',
  'previousImage',
  'showLog',
  'undo',
  'redo',
  'save',
  'manageTrust',
] as const satisfies readonly (CommandName | WorkbenchCommand)[];
export type PageCommand = (typeof PAGE_COMMANDS)[number];

/** Views of the activity bar. */
export const VIEWS = ['references', 'review', 'models'] as const;
type ViewName = (typeof VIEWS)[number];

/** The custom editor. */
export const EDITOR_TYPE = 'apMedSam.labelEditor';

/** Context key: the canvas has the keyboard, so plain letters are its. */
export const CANVAS_FOCUS = 'apMedSam.canvasFocus';

/** As VS Code knows a command. */
export const commandId = (name: CommandName): string => `apMedSam.${name}`;

/** As VS Code knows a view. */
export const viewId = (name: ViewName): string => `apMedSam.${name}`;

/** The command of VS Code that shows a view. */
export const focusOf = (name: ViewName): string => `${viewId(name)}.focus`;
