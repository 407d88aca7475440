/** The smallest Windows library there is: one export that another library answers. */

/** Where the one section lies in the file, and in memory. */
const FILE_OFFSET = 0x200;
const ADDRESS = 0x1000;

const X64 = 0x8664;
const PE32_PLUS = 0x20b;
/** Executable image, large addresses, DLL. */
const LIBRARY = 0x2022;
const OPTIONAL_HEADER_BYTES = 240;
const DIRECTORIES = 16;
/** Initialised data that may be read. */
const DATA = 0x40000040;

/** A library for x64 called `library`; its only function `name` is `target`, such as `advapi32.SystemFunction036`. */
export function forwardingLibrary(library: string, name: string, target: string): Buffer {
  const { section, bytes } = exportSection(library, name, target);
  return Buffer.concat([headers(bytes), section]);
}

/** The export directory, its three tables of one entry each, and the texts that they point to. */
function exportSection(library: string, name: string, target: string): { section: Buffer; bytes: number } {
  const [functions, names, ordinals] = [40, 44, 48];
  const texts = [library, name, target].map((text) => Buffer.from(`${text}\0`, 'latin1'));
  const section = Buffer.alloc(FILE_OFFSET);
  let end = 52;
  const [libraryAt, nameAt, targetAt] = texts.map((text) => {
    text.copy(section, end);
    end += text.length;
    return ADDRESS + end - text.length;
  });
  const fields: [at: number, value: number][] = [
    [12, libraryAt],
    [16, 1], // first ordinal
    [20, 1], // functions
    [24, 1], // names
    [28, ADDRESS + functions],
    [32, ADDRESS + names],
    [36, ADDRESS + ordinals],
    // An address within the export directory is no code but the text that names another library's function.
    [functions, targetAt],
    [names, nameAt],
  ];
  for (const [at, value] of fields) section.writeUInt32LE(value, at);
  return { section, bytes: end };
}

function headers(exportBytes: number): Buffer {
  const header = Buffer.alloc(FILE_OFFSET);
  const [signature, file, optional] = [0x40, 0x44, 0x58];
  const table = optional + OPTIONAL_HEADER_BYTES;
  header.write('MZ', 0, 'latin1');
  header.writeUInt32LE(signature, 0x3c);
  header.write('PE\0\0', signature, 'latin1');
  header.writeUInt16LE(X64, file);
  header.writeUInt16LE(1, file + 2); // sections
  header.writeUInt16LE(OPTIONAL_HEADER_BYTES, file + 16);
  header.writeUInt16LE(LIBRARY, file + 18);
  header.writeUInt16LE(PE32_PLUS, optional);
  header.writeBigUInt64LE(0x180000000n, optional + 24); // preferred address
  header.writeUInt32LE(0x1000, optional + 32); // alignment in memory
  header.writeUInt32LE(0x200, optional + 36); // alignment in the file
  header.writeUInt16LE(6, optional + 40); // Windows version
  header.writeUInt16LE(6, optional + 48);
  header.writeUInt32LE(2 * ADDRESS, optional + 56); // size in memory
  header.writeUInt32LE(FILE_OFFSET, optional + 60); // size of the headers
  header.writeUInt16LE(3, optional + 68); // console
  header.writeUInt32LE(DIRECTORIES, optional + 108);
  header.writeUInt32LE(ADDRESS, optional + 112);
  header.writeUInt32LE(exportBytes, optional + 116);
  header.write('.edata', table, 'latin1');
  header.writeUInt32LE(exportBytes, table + 8);
  header.writeUInt32LE(ADDRESS, table + 12);
  header.writeUInt32LE(FILE_OFFSET, table + 16);
  header.writeUInt32LE(FILE_OFFSET, table + 20);
  header.writeUInt32LE(DATA, table + 36);
  return header;
}
