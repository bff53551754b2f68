import { findSecret } from '../kube/secret.ts';
import { parseSession, sessionName } from '../kube/session.ts';
import type { OwnerIdentity } from '../kube/target.ts';
import type { Context } from './context.ts';
import type { Memory } from './memory.ts';

/** Reads `<credential>.session` where the watch shows a version that we neither wrote nor read. @throws KubeError */
export async function readSession(identity: OwnerIdentity, memory: Memory, context: Context): Promise<void> {
  const name = sessionName(identity.name);
  const version = context.secrets.get(`${identity.namespace}/${name}`)?.metadata.resourceVersion;
  if (version === undefined) {
    delete memory.session;
    return;
  }
  if (memory.session?.version === version) return;
  const secret = await findSecret(context.client, identity.namespace, name);
  if (secret === undefined) delete memory.session;
  else memory.session = { version: secret.metadata.resourceVersion, content: parseSession(secret) };
}
