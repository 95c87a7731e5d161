// Waits in a started interpreter until there is a function. Written by `hearth runtime add`.
//
// It does so when it is imported, and blocks. The other end of descriptor 0 is Hearth's agent. It
// is sent one byte when the interpreter waits. It sends the function's variables, each with a NUL
// behind it, and closes its direction. It is sent one more byte if the interpreter goes on; if not,
// the interpreter ends and is started in the plain way.
//
// Whatever a function can see afterwards has to be as after a plain start.
import { createRequire } from 'node:module';

// An import of it would load parts that a function may never ask for.
const fs = createRequire(import.meta.url)('node:fs');

// Libraries that the interpreter has loaded, by the start of their names, and the directories below
// a library path that the loader looks into by itself.
function libraries() {
  const names = new Set(['glibc-hwcaps', 'tls', 'haswell', 'x86_64']);
  for (const line of fs.readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const name = line.slice(line.lastIndexOf('/') + 1);
    if (name.includes('.so')) names.add(name.split('.so')[0]);
  }
  return names;
}

function receive() {
  const parts = [];
  const part = Buffer.allocUnsafeSlow(65536);
  for (;;) {
    const length = fs.readSync(0, part);
    if (length === 0) break;
    parts.push(Buffer.from(part.subarray(0, length)));
  }
  return Buffer.concat(parts).toString().split('\0').slice(0, -1);
}

// Where the loader looks for libraries of the function and of layers.
function ownPlaces() {
  const places = (process.env.LD_LIBRARY_PATH ?? '').split(':');
  return places.filter((place) => place.startsWith('/var/task') || place.startsWith('/opt'));
}

// Whether the function or a layer brings a library in place of one that is loaded already, or one
// that the loader would not find any more: it remembers which places were not there at first.
function hasOwn(loaded, missing) {
  for (const place of ownPlaces()) {
    let names = [];
    try {
      names = fs.readdirSync(place);
    } catch {
      continue;
    }
    if (missing.has(place) && names.some((name) => name.includes('.so'))) return true;
    if (names.some((name) => loaded.has(name.split('.so')[0]))) return true;
  }
  return false;
}

// Has young garbage collected. Otherwise that is due in the function's first milliseconds.
function collect() {
  let before = 0;
  for (let round = 0; round < 256; round += 1) {
    const { heapUsed } = process.memoryUsage();
    if (heapUsed < before) return;
    before = heapUsed;
    new Array(8192).fill(round);
  }
}

function wait() {
  const loaded = libraries();
  const missing = new Set(ownPlaces().filter((place) => !fs.existsSync(place)));
  collect();
  fs.writeSync(0, '\0');
  const variables = receive();
  if (variables.length === 0 || hasOwn(loaded, missing)) process.exit(0);
  fs.writeSync(0, '\0');
  fs.closeSync(0);
  fs.openSync('/dev/null', 'r'); // Gets the lowest number, which is 0.
  // A change of the time zone costs 40 ms: Node.js then compares all zones with that of the host.
  const isZone = (name) => name === 'TZ' && variables.includes(`TZ=${process.env.TZ}`);
  for (const name of Object.keys(process.env)) if (!isZone(name)) delete process.env[name];
  for (const variable of variables) {
    const at = variable.indexOf('=');
    const name = variable.slice(0, at);
    if (!isZone(name)) process.env[name] = variable.slice(at + 1);
  }
  // The code was not there yet when the interpreter was started.
  process.chdir('/var/task');
}

wait();
