import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Permission } from '../deploy/roles.ts';

/** What an account asked of the API server, by its audit log. */

const Line = z.object({
  verb: z.string(),
  requestURI: z.string(),
  user: z.object({ username: z.string() }),
  responseStatus: z.object({ code: z.number() }).optional(),
  objectRef: z
    .object({
      apiGroup: z.string().default(''),
      resource: z.string(),
      subresource: z.string().optional(),
      namespace: z.string().optional(),
      name: z.string().optional(),
    })
    .optional(),
});

/** One permission that a call needed. */
export interface Need extends Omit<Permission, 'role'> {
  /** HTTP status of the answer; 0 where the connection broke. */
  readonly code: number;
}

/** All that an account needed so far, refused or not. Watches are told of when they have ended. */
export async function needsOf(auditLog: string, username: string): Promise<Need[]> {
  const lines = (await readFile(auditLog, 'utf8')).split('\n').filter(line => line.includes(username));
  return lines
    .map(line => Line.parse(JSON.parse(line)))
    .filter(({ user }) => user.username === username)
    .flatMap(needsOfCall);
}

function needsOfCall({ verb, objectRef, requestURI, responseStatus }: z.infer<typeof Line>): Need[] {
  const code = responseStatus?.code ?? 0;
  // `/version`, which Kubernetes itself allows to everyone
  if (objectRef === undefined) return [{ verb, group: '', resource: requestURI, code }];
  const { apiGroup: group, subresource, namespace, name } = objectRef;
  const resource = subresource === undefined ? objectRef.resource : `${objectRef.resource}/${subresource}`;
  const where = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  };
  const need = (verb: string): Need => ({ verb, group, resource, code, ...where });
  // an apply of what is not there yet is asked for both
  return verb === 'patch' && code === 201 ? [need('patch'), need('create')] : [need(verb)];
}

export function allows(permission: Permission, need: Need): boolean {
  return (
    permission.verb === need.verb &&
    permission.group === need.group &&
    permission.resource === need.resource &&
    (permission.namespace === undefined || permission.namespace === need.namespace) &&
    (permission.name === undefined || permission.name === need.name)
  );
}

/** Permissions without which some need would have been refused. */
export function essential(permissions: readonly Permission[], needs: readonly Need[]): Permission[] {
  const found = new Set<Permission>();
  for (const need of needs) {
    const [only, ...others] = permissions.filter(permission => allows(permission, need));
    if (only !== undefined && others.length === 0) found.add(only);
  }
  return [...found];
}
