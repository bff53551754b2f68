import { z } from 'zod';
import type { Manifest } from './render.ts';

/** What roles grant, and to whom they are bound. */

const Rule = z.strictObject({
  apiGroups: z.array(z.string()),
  resources: z.array(z.string()),
  resourceNames: z.array(z.string()).optional(),
  verbs: z.array(z.string()),
});
const Role = z.object({
  kind: z.enum(['Role', 'ClusterRole']),
  metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
  rules: z.array(Rule),
});
const Binding = z.object({
  kind: z.enum(['RoleBinding', 'ClusterRoleBinding']),
  metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
  roleRef: z.object({ apiGroup: z.string(), kind: z.string(), name: z.string() }),
  subjects: z.array(z.object({ kind: z.string(), name: z.string(), namespace: z.string().optional() })),
});

/** One verb on one resource, with all that limits it. */
export interface Permission {
  readonly role: string;
  /** Absent: every namespace, and what has none. */
  readonly namespace?: string;
  readonly group: string;
  /** With its subresource: `providercredentials/status`. */
  readonly resource: string;
  /** Absent: every name. */
  readonly name?: string;
  readonly verb: string;
}

export function describePermission({
  role,
  namespace = '*',
  group,
  resource,
  name = '*',
  verb,
}: Permission): string {
  return `${role} (${namespace}): ${verb} ${group === '' ? 'core' : group}/${resource} ${name}`;
}

/** The permissions of each role, by its name. */
export function permissionsOf(role: Manifest, namespace?: string): Permission[] {
  const { kind, metadata, rules } = Role.parse(role);
  const within = kind === 'Role' ? metadata.namespace : namespace;
  return rules.flatMap(({ apiGroups, resources, resourceNames = [undefined], verbs }) =>
    apiGroups.flatMap(group =>
      resources.flatMap(resource =>
        resourceNames.flatMap(name =>
          verbs.map(verb => ({
            role: `${kind} ${metadata.name}`,
            group,
            resource,
            verb,
            ...(within === undefined ? {} : { namespace: within }),
            ...(name === undefined ? {} : { name }),
          })),
        ),
      ),
    ),
  );
}

export const isRole = ({ kind }: Manifest): boolean => kind === 'Role' || kind === 'ClusterRole';

/** All that a service account may do by the roles and bindings among the manifests. */
export function grantedTo(account: string, namespace: string, manifests: readonly Manifest[]): Permission[] {
  const bindings = manifests
    .filter(({ kind }) => kind === 'RoleBinding' || kind === 'ClusterRoleBinding')
    .map(manifest => Binding.parse(manifest))
    .filter(({ subjects }) =>
      subjects.some(
        subject =>
          subject.kind === 'ServiceAccount' && subject.name === account && subject.namespace === namespace,
      ),
    );
  return bindings.flatMap(({ metadata, roleRef }) => {
    const role = manifests.find(
      ({ kind, metadata: { name, namespace: within } }) =>
        kind === roleRef.kind &&
        name === roleRef.name &&
        (kind === 'ClusterRole' || within === metadata.namespace),
    );
    if (role === undefined) throw new Error(`${metadata.name} binds a role that is not there`);
    return permissionsOf(role, metadata.namespace);
  });
}
