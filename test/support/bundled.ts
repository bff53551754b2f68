import type { TestProject } from 'vitest/node';
import { temporaryBundle } from '../../scripts/temporary-bundle.ts';

/** The bundle, made once for all that start the program: it starts in a third of the processor time that the source takes, and it is what users run. */
export default async function setup(project: TestProject): Promise<void> {
  // By the first of the projects; each has this module anew.
  if (process.env.TOKENSYNC_PROGRAM !== undefined) return;
  const make = async (): Promise<void> => {
    process.env.TOKENSYNC_PROGRAM = await temporaryBundle();
  };
  await make();
  project.onTestsRerun(make);
}
