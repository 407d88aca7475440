/** Limits of an engine process where nobody has set others. */

/** A picture of this many pixels takes some gigabytes to decode; more is a mistake or an attack. */
export const PIXEL_LIMIT = 500_000_000;
