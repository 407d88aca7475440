/** Pictures from the page's own resources, decoded and ready to draw. */

/** False once the page's policy has turned out to let images in but nothing be fetched. */
let mayFetch = true;

/** Loads and decodes a picture. Rejects if it cannot be had, or when aborted. */
export async function loadBitmap(uri: string, signal: AbortSignal): Promise<ImageBitmap> {
  if (!mayFetch) return fromElement(uri, signal);
  let response: Response;
  try {
    response = await fetch(uri, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    // Nothing more is known of a request that was not let out. If an image element may load it, it was the policy.
    const bitmap = await fromElement(uri, signal);
    mayFetch = false;
    return bitmap;
  }
  if (!response.ok) throw new Error(`${uri}: status ${response.status}`);
  // Data is decoded beside the page's own thread, an element in the middle of it.
  return createImageBitmap(await response.blob());
}

async function fromElement(uri: string, signal: AbortSignal): Promise<ImageBitmap> {
  const image = new Image();
  // An empty source stops the request.
  const stop = () => {
    image.src = '';
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    image.src = uri;
    await image.decode();
    signal.throwIfAborted();
    return await createImageBitmap(image);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
