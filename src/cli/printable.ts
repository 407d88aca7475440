/** Names of files in messages: whatever they hold, they do not steer the terminal and start no line of their own. */

/** Control characters, which terminals obey, and those that turn the order of what follows around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STEERING = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One line with such characters as JSON writes them, so that a line of JSON stays one and means the same. */
export const printable = (line: string): string =>
  line.replace(
    STEERING,
    (character) => SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
