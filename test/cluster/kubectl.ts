import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { z } from 'zod';

const { KUBEBUILDER_ASSETS } = process.env;
const BINARY = KUBEBUILDER_ASSETS === undefined ? 'kubectl' : join(KUBEBUILDER_ASSETS, 'kubectl');

/** kubectl, as a person would use it; the cluster is that of KUBECONFIG. */
export async function kubectl(
  args: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<string> {
  const { input = '', timeoutMs = 30_000 } = options;
  const child = spawn(BINARY, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs });
  const said = { out: '', error: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.error += text;
  });
  child.stdin.on('error', () => {}); // it ended without reading
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${said.error.trim() || `ended with ${code}`}`);
  return said.out;
}

export async function kubectlJson<T>(schema: z.ZodType<T>, args: readonly string[]): Promise<T> {
  return schema.parse(JSON.parse(await kubectl([...args, '-o', 'json', '--request-timeout=10s'])));
}

/** Server-side apply. */
export async function apply(objects: readonly object[], ...flags: string[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await kubectl(['apply', '--server-side', ...flags, '-f', '-'], { input: JSON.stringify(list) });
}
