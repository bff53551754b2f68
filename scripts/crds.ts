import { stringify } from 'yaml';
import type { z } from 'zod';
import { ProviderCredential } from '../src/api/credential.ts';
import {
  CREDENTIAL_KIND,
  CREDENTIAL_PLURAL,
  GROUP,
  PROVIDER_KIND,
  PROVIDER_PLURAL,
  VERSION,
} from '../src/api/names.ts';
import { ClusterTokenProvider } from '../src/api/provider.ts';
import { CONDITION } from '../src/api/reasons.ts';
import { toStructural } from './structural.ts';

interface Column {
  name: string;
  type: 'string' | 'integer' | 'date';
  jsonPath: string;
  description: string;
  /** 1: only with `-o wide`. */
  priority?: 1;
}

export interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly scope: 'Namespaced' | 'Cluster';
  readonly schema: z.ZodType;
  readonly columns: readonly Column[];
}

const condition = (type: string, part: 'status' | 'reason') =>
  `.status.conditions[?(@.type=="${type}")].${part}`;

const age: Column = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since the object was created.',
};

/** Times are strings here: kubectl prints a date that lies ahead as `<invalid>`. */
export const KINDS: readonly Kind[] = [
  {
    kind: PROVIDER_KIND,
    plural: PROVIDER_PLURAL,
    shortName: 'ctprov',
    scope: 'Cluster',
    schema: ClusterTokenProvider,
    columns: [
      {
        name: 'Accepted',
        type: 'string',
        jsonPath: condition(CONDITION.accepted, 'status'),
        description: 'Whether the definition can work.',
      },
      {
        name: 'Reason',
        type: 'string',
        jsonPath: condition(CONDITION.accepted, 'reason'),
        description: 'Why it can or cannot.',
      },
      {
        name: 'Saturated',
        type: 'string',
        jsonPath: condition(CONDITION.saturated, 'status'),
        description: 'Whether credentials need more requests than the limits allow.',
      },
      age,
    ],
  },
  {
    kind: CREDENTIAL_KIND,
    plural: CREDENTIAL_PLURAL,
    shortName: 'pcred',
    scope: 'Namespaced',
    schema: ProviderCredential,
    columns: [
      {
        name: 'Provider',
        type: 'string',
        jsonPath: '.spec.providerRef.name',
        description: 'Where the account is.',
      },
      {
        name: 'Ready',
        type: 'string',
        jsonPath: condition(CONDITION.ready, 'status'),
        description: 'Whether the Secret holds a live token.',
      },
      {
        name: 'Reason',
        type: 'string',
        jsonPath: condition(CONDITION.ready, 'reason'),
        description: 'Why it does or does not.',
      },
      {
        name: 'Expires',
        type: 'string',
        jsonPath: '.status.token.expiresAt',
        description: 'When the token expires.',
      },
      {
        name: 'Renews',
        type: 'string',
        jsonPath: '.status.token.renewAt',
        description: 'When the next token will be asked for.',
      },
      age,
      {
        name: 'Flow',
        type: 'string',
        jsonPath: '.spec.flow',
        description: "Flow, where it is not the provider's default.",
        priority: 1,
      },
      {
        name: 'Secret',
        type: 'string',
        jsonPath: '.status.token.secretName',
        description: 'The Secret that holds the token.',
        priority: 1,
      },
      {
        name: 'Tries',
        type: 'integer',
        jsonPath: '.status.login.tries',
        description: 'Refused logins with the present inputs.',
        priority: 1,
      },
    ],
  },
];

const crd = ({ kind, plural, shortName, scope, schema, columns }: Kind) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${GROUP}` },
  spec: {
    group: GROUP,
    names: {
      kind,
      listKind: `${kind}List`,
      plural,
      singular: kind.toLowerCase(),
      shortNames: [shortName],
      categories: ['tokensync'],
    },
    scope,
    versions: [
      {
        name: VERSION,
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: columns,
        schema: { openAPIV3Schema: toStructural(schema) },
      },
    ],
  },
});

export const crdPath = (kind: Kind): string => `crds/${GROUP}_${kind.plural}.yaml`;

export const crdYaml = (kind: Kind): string =>
  `# Made by scripts/generate-crds.ts from src/api. Do not edit.\n${stringify(crd(kind), {
    lineWidth: 0,
    aliasDuplicateObjects: false,
  })}`;
