import { FLOWS, type Fixture, type FlowName, fixture } from '../fixtures.ts';
import type { World } from '../world.ts';
import { SECRET_MARK } from './canary.ts';

/** The 120-second kind: one of it is most of the work. */
const SHORT: FlowName = 'sendfact/token';
const NAMESPACES = ['team-a', 'team-b', 'team-c'] as const;

/** What is wrong with a credential from the start; most are right. */
export type Flaw = 'wrong-password' | 'wrong-until-corrected' | 'source-comes-late';

export interface Member {
  readonly fixture: Fixture;
  readonly flaw?: Flaw;
}

const FLAWS: Readonly<Record<number, Flaw>> = {
  7: 'wrong-password',
  8: 'wrong-until-corrected',
  9: 'source-comes-late',
};
/** An unknown auth token tells the provider nobody's name, so its refusals could not be told apart. */
const NAMELESS: FlowName = 'pgf/login-token';

/** Credentials of all flows in several namespaces: one short-lived, the others in turn; a few with a flaw. */
export function populate(world: World, size: number): Member[] {
  const others = FLOWS.filter(flow => flow !== SHORT);
  const members: Member[] = [];
  for (let index = 0; index < size; index++) {
    const flow = index === 0 ? SHORT : (others[(index - 1) % others.length] ?? SHORT);
    const namespace = NAMESPACES[index % NAMESPACES.length] ?? 'default';
    const made = fixture(flow, index, world.providers, { namespace, canary: `${SECRET_MARK}-${index}` });
    const flaw = flow === NAMELESS ? undefined : FLAWS[index];
    members.push({ fixture: made, ...(flaw === undefined ? {} : { flaw }) });
  }
  for (const name of NAMESPACES) world.api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  return members;
}
