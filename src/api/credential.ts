import { z } from 'zod';
import { Condition, ObjectMeta } from './meta.ts';
import { HELM_TYPE_PREFIX, PROVIDER_KIND, SESSION_SECRET_TYPE } from './names.ts';
import {
  dnsLabel,
  duration,
  IDENTIFIER,
  nonEmpty,
  objectName,
  rules,
  SECRET_KEY,
  template,
  text,
  time,
} from './schema.ts';

/** `ProviderCredential`: which account a team has at a provider, and where its token goes. */

/** A share of the lifetime, `1%` to `80%`, or a duration. */
export const BEFORE_PATTERN = '^(([1-9]|[1-7][0-9]|80)%|([0-9]{1,9}(\\.[0-9]{1,3})?(ms|d|h|m|s))+)$';

const reservedMetadata = (what: string) => ({
  rule: "self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|tokensync[.]dev)/'))",
  message: `${what} under kubernetes.io, k8s.io and tokensync.dev are reserved: choose another prefix`,
});

export const ProviderRef = z.object({
  kind: z.enum([PROVIDER_KIND]).default(PROVIDER_KIND).describe('Kind of the provider.'),
  name: objectName().describe('Name of the provider.'),
});

export const Source = z.object({
  secretRef: z
    .object({ name: objectName().describe('Name of the Secret, in this namespace.') })
    .describe('The Secret that holds the login.'),
  keys: z
    .record(z.string().regex(new RegExp(IDENTIFIER)), nonEmpty(253).regex(new RegExp(SECRET_KEY)))
    .meta({ maxProperties: 16 })
    .default({})
    .describe('Input to key of the Secret, where the two differ.'),
});

export const Target = z
  .object({
    name: objectName().optional().describe("Name of the Secret to write. Default: the credential's name."),
    type: nonEmpty(253)
      .default('Opaque')
      .describe("The Secret's type. It cannot change while the name stays."),
    deletionPolicy: z
      .enum(['Delete', 'Retain'])
      .default('Delete')
      .describe(
        'Delete: the Secret goes with the credential. Retain: it stays, and a credential of the same name adopts it.',
      ),
    labels: z
      .record(z.string(), text(63))
      .meta({ maxProperties: 32, ...rules(reservedMetadata('labels')) })
      .optional()
      .describe('Labels to set on the Secret.'),
    annotations: z
      .record(z.string(), text(1024))
      .meta({ maxProperties: 32, ...rules(reservedMetadata('annotations')) })
      .optional()
      .describe('Annotations to set on the Secret.'),
    data: z
      .record(z.string().regex(new RegExp(SECRET_KEY)), template(8192))
      .meta({
        minProperties: 1,
        maxProperties: 32,
        ...rules({
          rule: "self.all(k, k.matches('^[-._a-zA-Z0-9]{1,253}$'))",
          message: 'keys of a Secret consist of letters, digits, dots, dashes and underscores',
        }),
      })
      .optional()
      .describe(
        'Key to template, in place of the default keys. Placeholders: $(token), $(tokenType), $(headerName), $(headerValue), $(expiresAt), $(output.NAME), $(param.NAME); filters: base64, json, urlencode.',
      ),
  })
  .meta(
    rules(
      {
        rule: `!(self.type in ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token', '${SESSION_SECRET_TYPE}']) && !self.type.startsWith('${HELM_TYPE_PREFIX}')`,
        message:
          'this type is acted on by Kubernetes, Helm or tokensync itself: use Opaque or a type of your own',
        fieldPath: '.type',
      },
      {
        rule: "!has(self.name) || !self.name.endsWith('.session')",
        message: 'names that end in .session are reserved for refresh tokens: choose another',
        fieldPath: '.name',
      },
      {
        rule: "oldSelf.type == self.type || (has(self.name) ? self.name : '') != (has(oldSelf.name) ? oldSelf.name : '')",
        message:
          'type cannot change while the name stays: a Secret’s type is fixed, so choose a new target.name as well',
      },
    ),
  );

export const Schedule = z.object({
  before: nonEmpty(32)
    .regex(new RegExp(BEFORE_PATTERN))
    .optional()
    .describe(
      'How long before expiry to renew: a duration, or a share of the lifetime (1% to 80%). Default: a third, and never less than a mounted Secret takes to reach a pod.',
    ),
  maxAge: duration()
    .optional()
    .describe('Renew at least this often, at least 60s; also for tokens without an expiry.'),
});

export const CredentialSpec = z
  .object({
    providerRef: ProviderRef.describe('The provider to log in at.'),
    flow: dnsLabel().optional().describe("Flow of the provider. Default: the provider's."),
    environment: dnsLabel().optional().describe("Environment of the provider. Default: the provider's."),
    parameters: z
      .record(z.string().regex(new RegExp(IDENTIFIER)), text(253))
      .meta({ maxProperties: 32 })
      .default({})
      .describe('Values for the parameters that the provider declares. Not secret.'),
    source: Source.describe('Where the login comes from.'),
    target: Target.default({ type: 'Opaque', deletionPolicy: 'Delete' }).describe('Where the token goes.'),
    schedule: Schedule.optional().describe('When to renew, where the default does not fit.'),
    suspend: z
      .boolean()
      .default(false)
      .describe('Send nothing to the provider. Status, and repair from what is held, go on.'),
  })
  .meta(
    rules({
      rule: '!has(self.target.name) || self.target.name != self.source.secretRef.name',
      message:
        'target.name must differ from source.secretRef.name: the login is an input and is never overwritten',
    }),
  );

export const CredentialStatus = z.object({
  observedGeneration: z
    .int()
    .min(-1)
    .optional()
    .describe('The generation that conditions speak of; -1 before the first look.'),
  conditions: z
    .array(Condition)
    .max(8)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
    .optional()
    .describe(
      'Ready: the Secret holds a live token. Refreshed: the last attempt. Stalled: only a person can help.',
    ),
  token: z
    .object({
      issuedAt: time().describe('When the request for it was sent.'),
      expiresAt: time().optional().describe('When it expires; absent when unknown.'),
      renewAt: time().optional().describe('When the next one will be asked for.'),
      grant: z.enum(['Login', 'Refresh']).describe('How it was obtained.'),
      secretName: text(253).describe('The Secret that holds it.'),
    })
    .optional()
    .describe('The token that the Secret holds.'),
  login: z
    .object({
      inputs: text(128).optional().describe('Keyed digest of the login request last tried.'),
      refused: z
        .array(text(128))
        .max(4)
        .optional()
        .describe('Keyed digests of the last four refused login requests.'),
      refusedAt: z.array(time()).max(6).optional().describe('When logins were refused in the last 24 hours.'),
      tries: z
        .int()
        .min(0)
        .optional()
        .describe('Refused logins with these inputs, counted before each is sent.'),
      unanswered: z.int().min(0).optional().describe('Logins with these inputs whose outcome is unknown.'),
      lastTriedAt: time().optional().describe('When a login was last sent.'),
      provenAt: time().optional().describe('When these inputs last worked.'),
    })
    .optional()
    .describe('How often a login was refused. It outlives crashes, so that no restart locks an account.'),
  failures: z
    .object({
      consecutive: z.int().min(0).describe('Failed attempts in a row.'),
      lastAt: time().optional().describe('When the last attempt failed.'),
      retryAt: time().optional().describe('When the next attempt is due; absent when none is.'),
    })
    .optional()
    .describe('The present run of failures.'),
  lastHandledRefreshAt: text(256)
    .optional()
    .describe('The last value of the refresh-requested-at annotation acted on.'),
});

export const ProviderCredential = z.object({
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  metadata: ObjectMeta,
  spec: CredentialSpec,
  status: CredentialStatus.optional(),
});

export type ProviderCredential = z.infer<typeof ProviderCredential>;
export type CredentialSpec = z.infer<typeof CredentialSpec>;
export type CredentialStatus = z.infer<typeof CredentialStatus>;
export type TokenStatus = NonNullable<CredentialStatus['token']>;
export type LoginStatus = NonNullable<CredentialStatus['login']>;
export type FailureStatus = NonNullable<CredentialStatus['failures']>;
