import { expect, inject, test } from 'vitest';
import { kubectl } from './control-plane.ts';

test('a real control plane answers', async () => {
  const { kubeconfig } = inject('controlPlane');
  const { stdout } = await kubectl(kubeconfig, ['get', 'namespaces', '-o', 'name']);
  expect(stdout).toContain('namespace/default');
});
