import { conclude, loginRecord, sameStatus, statusPatch } from '../decide/status.ts';
import { isConflict, isNotFound } from '../kube/kube-error.ts';
import type { CredentialObject } from '../kube/objects.ts';
import { CredentialAnswer, credentialPath } from '../kube/objects.ts';
import type { Context } from './context.ts';

/** A credential that was stored before the CRD was tightened, and that cannot be read: said in status, nothing sent. */
export async function refuseSpec(
  key: string,
  credential: CredentialObject,
  context: Context,
): Promise<undefined> {
  const { namespace = '', name, uid, generation, resourceVersion } = credential.metadata;
  context.metrics.setCredential(key, '', { ready: false, reason: 'SpecInvalid', rejections: 0 });
  const message = `${credential.problems.map(({ field, message }) => `${field} ${message}`).join('; ')}: correct the object and apply it again.`;
  const status = conclude(credential.status, {
    generation,
    now: context.serverTime.now(),
    ready: { status: 'False', reason: 'SpecInvalid', message },
    login: loginRecord(credential.status),
    failures: undefined,
    attempt: credential.status?.lastAttemptId,
    handledRefresh: credential.status?.lastHandledRefreshAt,
    handledProviderRefresh: credential.status?.lastHandledProviderRefreshAt,
  });
  if (sameStatus(credential.status, status)) return;
  const body = { metadata: { uid, resourceVersion }, status: statusPatch(credential.status, status) };
  try {
    context.credentials.set(
      await context.client.mergePatch(`${credentialPath(namespace, name)}/status`, body, CredentialAnswer),
    );
  } catch (error) {
    if (!isConflict(error) && !isNotFound(error)) throw error;
    context.log.debug({ credential: key }, 'status not written: the credential changed');
  }
}
