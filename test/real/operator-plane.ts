import type { TestProject } from 'vitest/node';
import { startControlPlane } from './control-plane.ts';
import { clientOf, installCrds } from './install.ts';

/** A control plane for the operator's own tests: a world of theirs is the whole cluster, so nobody else may write there. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Before each world the one before it is removed: by default one object after another.
  const plane = await startControlPlane({ controllers: true, flags: ['--delete-collection-workers=8'] });
  const { url, ca, token, kubeconfig, etcd, auditLog, folder } = plane;
  const client = clientOf(plane);
  try {
    await installCrds(client);
  } catch (error) {
    await plane.stop();
    throw error;
  } finally {
    await client.close();
  }
  project.provide('controlPlane', { url, ca, token, kubeconfig, etcd, auditLog, folder });
  return () => plane.stop();
}
