import type { TestProject } from 'vitest/node';
import { type ControlPlane, type RunningControlPlane, startControlPlane } from './control-plane.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The suite's control plane; each test has a namespace of its own in it. */
    controlPlane: ControlPlane;
  }
}

/** One control plane, with its controllers, for all files of the project. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const plane: RunningControlPlane = await startControlPlane({ controllers: true });
  const { url, ca, token, kubeconfig, etcd, auditLog, folder } = plane;
  project.provide('controlPlane', { url, ca, token, kubeconfig, etcd, auditLog, folder });
  return () => plane.stop();
}
