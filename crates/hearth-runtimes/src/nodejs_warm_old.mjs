// Does ahead of need what every start of AWS's client comes to, and has the interpreter wait.
// Written by `hearth runtime add`.
import { createRequire } from 'node:module';

// A plain start asks for the client's native part from there.
const require = createRequire(new URL('./index.mjs', import.meta.url));
// In the same words, because the interpreter remembers what was asked for.
const NATIVE = './rapid-client.node';
const EVENTS = ['beforeExit', 'uncaughtException', 'unhandledRejection'];
const HEADERS = {
  'Lambda-Runtime-Aws-Request-Id': '-',
  'Lambda-Runtime-Deadline-Ms': '0',
  'Lambda-Runtime-Invoked-Function-Arn': '-',
  'Lambda-Runtime-Trace-Id': '-',
};

// Lets the client run a function that does nothing, once: what has run before is loaded and
// compiled. It asks nobody for work, because its native part is another for that time. What it
// leaves behind is taken away, or is set anew by every start.
async function pretend(run) {
  const original = require(NATIVE);
  const native = require.cache[require.resolve(NATIVE)];
  const { setImmediate } = globalThis;
  const keys = new Set(Reflect.ownKeys(globalThis));
  native.exports = { next: async () => ({ bodyJson: '{}', headers: HEADERS }), done: () => {} };
  try {
    await new Promise((resolve, reject) => {
      let go = queueMicrotask;
      // The client does this when it is ready for an event: the second time, it has answered one.
      globalThis.setImmediate = (iteration) => {
        go(iteration);
        go = resolve;
      };
      run('/var/runtime', 'pretend.handler').catch(reject);
    });
  } finally {
    native.exports = original;
    globalThis.setImmediate = setImmediate;
    for (const key of Reflect.ownKeys(globalThis)) if (!keys.has(key)) delete globalThis[key];
    for (const event of EVENTS) process.removeAllListeners(event);
  }
}

const { run } = await import('./index.mjs');
await pretend(run);
await import('./wait.mjs');
