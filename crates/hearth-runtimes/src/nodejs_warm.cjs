// Waits in a started interpreter until there is a function. Written by `hearth runtime add`.
//
// It is loaded before the client, by NODE_OPTIONS, and blocks there. The other end of descriptor 0
// is Hearth's agent. It is sent one byte when the interpreter waits. It sends the function's
// variables, each with a NUL behind it, and closes its direction. It is sent one more byte if the
// interpreter goes on; if not, the interpreter ends and is started in the plain way.
//
// Whatever a function can see afterwards has to be as after a plain start.
'use strict';

const fs = require('fs');

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

function wait() {
  const loaded = libraries();
  const missing = new Set(ownPlaces().filter((place) => !fs.existsSync(place)));
  fs.writeSync(0, '\0');
  const variables = receive();
  if (variables.length === 0 || hasOwn(loaded, missing)) process.exit(0);
  fs.writeSync(0, '\0');
  fs.closeSync(0);
  fs.openSync('/dev/null', 'r'); // Gets the lowest number, which is 0.
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const variable of variables) {
    const at = variable.indexOf('=');
    process.env[variable.slice(0, at)] = variable.slice(at + 1);
  }
  // The code was not there yet when the interpreter was started.
  process.chdir('/var/task');
}

// A worker thread of the function loads this file as well, long after it was of use.
if (process.env._HEARTH_WARM !== undefined) wait();

// Nothing shall tell that this file was loaded.
const cache = module.constructor._pathCache;
for (const key of Object.keys(cache)) if (cache[key] === __filename) delete cache[key];
delete require.cache[__filename];
if (process._preload_modules) process._preload_modules.length = 0;
