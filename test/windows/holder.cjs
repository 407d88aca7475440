// Run by Node for Windows: opens each file that appears in a folder without sharing it, as a virus scanner or a cloud's
// sync may, and lets it go after a while. Arguments: the folder, the file by which it is stopped, `once` or `again`.
// Its output is a line per file held: name and milliseconds.
const fs = require('node:fs');
const path = require('node:path');

const [folder, stopFile, how] = process.argv.slice(2);

/** libuv's UV_FS_O_EXLOCK: CreateFile with a share mode of 0. */
const EXCLUSIVE = 0x10000000;

/** From 0.2 to 3 s, one after the other. */
const HOLD_MS = [200, 3000, 700, 1400, 300, 2200, 500, 1000];
/** Where files are held again and again, each is free as long as this in between. */
const FREE_MS = 150;

let held = 0;
/** By name: since when it may be held again, Infinity for one that is held, or was and is not to be again. */
const due = new Map();

function look() {
  for (const name of fs.readdirSync(folder)) {
    if (!name.endsWith('.png') || (due.get(name) ?? 0) > Date.now()) continue;
    let file;
    try {
      file = fs.openSync(path.join(folder, name), fs.constants.O_RDONLY | EXCLUSIVE);
    } catch {
      // Somebody else has it open; the next look finds it free.
      continue;
    }
    const ms = how === 'once' ? HOLD_MS[held % HOLD_MS.length] : HOLD_MS[held % 2 === 0 ? 0 : 4];
    held++;
    due.set(name, Number.POSITIVE_INFINITY);
    setTimeout(() => {
      fs.closeSync(file);
      if (how === 'again') due.set(name, Date.now() + FREE_MS);
      console.log(`${name} ${ms}`);
    }, ms);
  }
  if (!fs.existsSync(stopFile)) setTimeout(look, 2);
}

look();
