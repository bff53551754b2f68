import { writeOrCheck } from './generated.ts';
import { REFERENCE_PATH, reference } from './reference.ts';

/** Makes docs/reference.md from src. `--check`: writes nothing, and exits with 1 where it differs. */
process.exitCode = await writeOrCheck(new Map([[REFERENCE_PATH, reference()]]), process.argv.slice(2));
