import { ANNOTATION } from '../api/names.ts';
import { decodeText } from '../kube/secret.ts';
import { heldOf, writtenKeys } from '../kube/target.ts';
import type { Context } from './context.ts';
import type { Observed } from './observe.ts';
import type { Plan } from './planned.ts';
import { readNow, type Written, writeTarget } from './publish.ts';

/**
 * Puts the data of our Secret, as they stand, under another name or other labels: so no token's value is needed,
 * which after a restart templates may not show.
 * @returns undefined when it changed meanwhile: look again.
 */
export async function copySecret(
  observed: Observed,
  plan: Plan,
  context: Context,
): Promise<Written | undefined> {
  const { identity, target, former } = observed;
  const from = target.data === 'absent' ? former : target;
  if (from === undefined) return undefined;
  const secret = await readNow(context, identity.namespace, from.name);
  const held = secret === undefined ? undefined : heldOf(secret.metadata);
  const dataHash = secret?.metadata.annotations?.[ANNOTATION.dataHash];
  const unchanged = secret?.metadata.resourceVersion === from.metadata?.resourceVersion;
  if (secret === undefined || held === undefined || dataHash === undefined || !unchanged) return undefined;
  const data: Record<string, string> = {};
  for (const key of writtenKeys(dataHash)) {
    const text = secret.data[key] === undefined ? undefined : decodeText(secret.data[key]);
    if (text === undefined) return undefined;
    data[key] = text;
  }
  return writeTarget(observed, plan, { held, data, dataHash }, context);
}
