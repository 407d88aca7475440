/** Pixels of a picture that is shown by its address. */

/** RGBA of a picture that the page may show, row-major. Rejects where it cannot be loaded. */
export async function pixelsOf(uri: string): Promise<Uint8ClampedArray> {
  const picture = new Image();
  // Else its pixels could be shown but not read.
  picture.crossOrigin = 'anonymous';
  picture.src = uri;
  await picture.decode();
  const { naturalWidth: width, naturalHeight: height } = picture;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (!context) throw new Error('this browser gives no 2D canvas');
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, width, height).data;
}
