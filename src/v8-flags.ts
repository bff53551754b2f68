import { setFlagsFromString } from 'node:v8';

/**
 * How V8 keeps its heap small, said before there is one; imported before all else. Measured by `npm run bench -- memory`.
 * The size of the young generation cannot be said this late: the image does, by NODE_OPTIONS.
 */

/** By how much the heap may outgrow what lived at the last collection. V8's own answer is several times as much. */
setFlagsFromString('--heap-growing-percent=60');
// The one WebAssembly here is undici's parser of HTTP: to optimize it brings in 7 MB of compiler, for code that is quick as it is.
setFlagsFromString('--no-wasm-tier-up');
setFlagsFromString('--no-wasm-dynamic-tiering');
