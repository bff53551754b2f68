import { LuaFactory, LuaLibraries } from 'wasmoon';

/** Runs a health check as Argo CD does: with its libraries and no more, and the object in `obj`. */

const factory = new LuaFactory();

export async function runLua(script: string, object: unknown): Promise<unknown> {
  const lua = await factory.createEngine({ openStandardLibs: false, enableProxy: false });
  try {
    lua.global.loadLibrary(LuaLibraries.Base);
    lua.global.loadLibrary(LuaLibraries.Table);
    return await lua.doString(`local obj = ${literal(object)}\n${script}`);
  } finally {
    lua.global.close();
  }
}

/** JSON as Lua writes it, so that objects and lists are plain tables. */
function literal(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (typeof value === 'string')
    return `"${[...Buffer.from(value)].map(byte => `\\${String(byte).padStart(3, '0')}`).join('')}"`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `{${value.map(literal).join(', ')}}`;
  return `{${Object.entries(value)
    .map(([key, member]) => `[${literal(key)}] = ${literal(member)}`)
    .join(', ')}}`;
}
