import type { TestProject } from 'vitest/node';
import { stringify } from 'yaml';
import { render } from '../deploy/render.ts';
import { type ControlPlane, kubectl, startControlPlane } from './control-plane.ts';
import { clientOf, installCrds } from './install.ts';

/** A control plane for the operator's own tests: a world of theirs is the whole cluster, so nobody else may write there. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Before each world the one before it is removed: by default one object after another.
  const plane = await startControlPlane({ controllers: true, flags: ['--delete-collection-workers=8'] });
  const { url, ca, token, kubeconfig, etcd, auditLog, folder } = plane;
  const client = clientOf(plane);
  let operatorToken: string;
  try {
    await installCrds(client);
    operatorToken = await installAccount(plane);
  } catch (error) {
    await plane.stop();
    throw error;
  } finally {
    await client.close();
  }
  project.provide('controlPlane', { url, ca, token, operatorToken, kubeconfig, etcd, auditLog, folder });
  return () => plane.stop();
}

/** All of the manifests but what would run. */
const SHIPPED = /^(Namespace|ServiceAccount|(Cluster)?Role(Binding)?|ValidatingAdmissionPolicy(Binding)?)$/;

/** The operator's account, with what `deploy/` allows it where there are shards, and no more. @returns a token of it. */
async function installAccount({ kubeconfig }: ControlPlane): Promise<string> {
  const input = render('deploy/overlays/sharded')
    .filter(({ kind }) => SHIPPED.test(kind))
    .map(manifest => stringify(manifest))
    .join('---\n');
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await kubectl(kubeconfig, args, { input });
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  await run('apply', '-f', '-');
  return run('create', 'token', 'tokensync', '--namespace=tokensync', '--duration=8h');
}
