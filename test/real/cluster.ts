import { inject } from 'vitest';
import type { Cluster } from '../e2e/cluster.ts';
import { accessOf, Plane } from './apiserver/plane.ts';
import { clientOf } from './install.ts';

/** The control plane that worlds have, for a program of its own: emptied of what was there before. */
export async function realCluster(): Promise<Cluster> {
  const controlPlane = inject('controlPlane');
  const plane = await Plane.shared(accessOf(controlPlane));
  plane.clear();
  const client = clientOf(controlPlane);
  return { kubeconfig: controlPlane.kubeconfig, client, close: () => client.close() };
}
