import { crdPath, crdYaml, KINDS } from './crds.ts';
import { writeOrCheck } from './generated.ts';

/** Makes crds/*.yaml from src/api. `--check`: writes nothing, and exits with 1 where they differ. */
const files = new Map(KINDS.map(kind => [crdPath(kind), crdYaml(kind)]));
process.exitCode = await writeOrCheck(files, process.argv.slice(2));
