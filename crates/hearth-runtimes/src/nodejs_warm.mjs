// Does ahead of need what every start of AWS's client comes to, and has the interpreter wait.
// Written by `hearth runtime add`.
//
// The client starts when it is imported, so it is imported behind what waits: modules are compiled
// before the first of them runs. _HEARTH_WARM has the names of what it asks for when it runs.
import { createRequire } from 'node:module';

// A plain start asks for its native part from there.
const require = createRequire(new URL('./index.mjs', import.meta.url));

async function prepare(names) {
  for (const name of names) require(name);
  // Each function of the client is compiled with it, and not when it is called first. What
  // ready.mjs imports behind the waiting has that back as it was.
  require('node:v8').setFlagsFromString('--no-lazy');
  await import('./ready.mjs');
}

await prepare(process.env._HEARTH_WARM.split(','));
