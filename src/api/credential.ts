import { z } from 'zod';
import { Condition, ObjectMeta } from './meta.ts';
import { GROUP, HELM_TYPE_PREFIX, PROVIDER_KIND, SESSION_SUFFIX } from './names.ts';
import {
  AT_LEAST_A_MINUTE,
  dnsLabel,
  duration,
  IDENTIFIER,
  identifierKeys,
  keysMatch,
  LABEL_KEY,
  LABEL_VALUE,
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

const labelValue = {
  rule: `self.matches('${LABEL_VALUE}')`,
  message:
    'a label is empty or letters, digits, dashes, underscores and dots that start and end with a letter or digit',
};

const reservedMetadata = (what: string) => ({
  rule: "self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|tokensync[.]dev)/'))",
  message: `${what} under kubernetes.io, k8s.io and tokensync.dev are reserved: choose another prefix`,
});

const secretKeys = {
  rule: "self.all(k, k.matches('^[-._a-zA-Z0-9]{1,253}$') && k != '.' && !k.startsWith('..'))",
  message:
    'keys of a Secret consist of letters, digits, dots, dashes and underscores, and do not start with ..',
};

const labelKeys = (what: string) =>
  keysMatch(
    LABEL_KEY,
    `keys of ${what} are a name of letters, digits, dashes, underscores and dots, at most 63 characters, after an optional DNS prefix and a slash`,
  );

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
    .meta({ maxProperties: 16, ...rules(identifierKeys('names of inputs')) })
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
      .record(z.string(), text(63).meta(rules(labelValue)))
      .meta({ maxProperties: 32, ...rules(reservedMetadata('labels'), labelKeys('labels')) })
      .optional()
      .describe('Labels to set on the Secret.'),
    annotations: z
      .record(z.string(), text(1024))
      .meta({ maxProperties: 32, ...rules(reservedMetadata('annotations'), labelKeys('annotations')) })
      .optional()
      .describe('Annotations to set on the Secret.'),
    data: z
      .record(z.string().regex(new RegExp(SECRET_KEY)), template(8192))
      .meta({
        minProperties: 1,
        maxProperties: 32,
        ...rules(secretKeys),
      })
      .optional()
      .describe(
        'Key to template, in place of the default keys. Placeholders: $(token), $(tokenType), $(headerName), $(headerValue), $(expiresAt), $(output.NAME), $(param.NAME); filters: base64, json, urlencode.',
      ),
  })
  .meta(
    rules(
      {
        rule: `!(self.type in ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token']) && !self.type.startsWith('${HELM_TYPE_PREFIX}') && !self.type.startsWith('${GROUP}/')`,
        message:
          'this type is acted on by Kubernetes, Helm or tokensync itself: use Opaque or a type of your own',
        fieldPath: '.type',
      },
      {
        rule: "self.type != 'kubernetes.io/dockerconfigjson' || (has(self.data) && '.dockerconfigjson' in self.data)",
        message: 'type kubernetes.io/dockerconfigjson needs the key .dockerconfigjson in data',
        fieldPath: '.data',
      },
    ),
  );

export const Schedule = z.object({
  before: nonEmpty(32)
    .regex(new RegExp(BEFORE_PATTERN))
    .meta(
      rules({
        rule: `self.matches(r'${BEFORE_PATTERN}')`,
        message: 'before is a share of the lifetime from 1% to 80%, or a duration such as 10m or 1h30m',
      }),
    )
    .optional()
    .describe(
      'How long before expiry to renew: a duration, or a share of the lifetime (1% to 80%). Default: a third, and never less than a mounted Secret takes to reach a pod.',
    ),
  maxAge: duration()
    .meta(
      rules({ rule: AT_LEAST_A_MINUTE, message: 'maxAge is a duration of at least 60s, such as 12h or 7d' }),
    )
    .optional()
    .describe('Renew at least this often, at least 60s; also for tokens without an expiry.'),
});

export const CredentialSpec = z.object({
  providerRef: ProviderRef.describe('The provider to log in at.'),
  flow: dnsLabel().optional().describe("Flow of the provider. Default: the provider's."),
  environment: dnsLabel().optional().describe("Environment of the provider. Default: the provider's."),
  parameters: z
    .record(z.string().regex(new RegExp(IDENTIFIER)), text(253))
    .meta({ maxProperties: 32, ...rules(identifierKeys('names of parameters')) })
    .default({})
    .describe('Values for the parameters that the provider declares. Not secret.'),
  source: Source.describe('Where the login comes from.'),
  target: Target.default({ type: 'Opaque', deletionPolicy: 'Delete' }).describe('Where the token goes.'),
  schedule: Schedule.optional().describe('When to renew, where the default does not fit.'),
  suspend: z
    .boolean()
    .default(false)
    .describe('Send nothing to the provider. Status, and repair from what is held, go on.'),
});

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
      secretVersion: text(64)
        .optional()
        .describe(
          'resourceVersion of that Secret when it was written: while it is the same, nobody changed it.',
        ),
      sourceVersion: text(64)
        .optional()
        .describe('resourceVersion of the source Secret whose values brought the token.'),
    })
    .optional()
    .describe('The token that the Secret holds.'),
  login: z
    .object({
      inputs: text(128).optional().describe('Keyed digest of the login request last tried.'),
      definition: text(64).optional().describe('What the login definition was when it was last tried.'),
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
      reason: text(64).optional().describe('Why the last attempt failed.'),
      lastAt: time().optional().describe('When the last attempt failed.'),
      retryAt: time().optional().describe('When the next attempt is due; absent when none is.'),
    })
    .optional()
    .describe('The present run of failures.'),
  lastAttemptId: text(64)
    .optional()
    .describe('Names the last request to the provider: its line in the log has this as `attempt`.'),
  lastHandledRefreshAt: text(256)
    .optional()
    .describe('The last value of the refresh-requested-at annotation acted on.'),
  lastHandledProviderRefreshAt: text(256)
    .optional()
    .describe("The last value of the provider's refresh-requested-at annotation acted on."),
});

/** The Secret that a credential writes, as its own name is the default. Only a rule at the root sees that name. */
const targetName = (self: 'self' | 'oldSelf') =>
  `(has(${self}.spec.target.name) ? ${self}.spec.target.name : ${self}.metadata.name)`;

/** What is left of a Secret's 253 characters beside `.session`. */
const LONGEST_NAME = 253 - SESSION_SUFFIX.length;

export const ProviderCredential = z
  .object({
    apiVersion: z.string().optional(),
    kind: z.string().optional(),
    metadata: ObjectMeta,
    spec: CredentialSpec.describe('What is wanted.'),
    // As meta, not as zod's default: the API server fills it in on every object that is read from it.
    status: CredentialStatus.meta({ default: { observedGeneration: -1 } })
      .optional()
      .describe('What is the case; written by tokensync alone.'),
  })
  .meta(
    rules(
      {
        rule: `size(self.metadata.name) <= ${LONGEST_NAME}`,
        message: `metadata.name has at most ${LONGEST_NAME} characters, since the Secret of its refresh token is named after it`,
      },
      {
        rule: `${targetName('self')} != self.spec.source.secretRef.name`,
        message:
          'target.name (default: the name of the credential) must differ from source.secretRef.name: the login is an input and is never overwritten',
        fieldPath: '.spec.target.name',
      },
      {
        rule: `!${targetName('self')}.endsWith('${SESSION_SUFFIX}')`,
        message: `target.name (default: the name of the credential) cannot end in ${SESSION_SUFFIX}: such names are reserved for refresh tokens`,
        fieldPath: '.spec.target.name',
      },
      {
        rule: `self.spec.target.type == oldSelf.spec.target.type || ${targetName('self')} != ${targetName('oldSelf')}`,
        message:
          'target.type cannot change while target.name stays, as the type of a Secret is fixed: choose a new target.name as well',
        fieldPath: '.spec.target.type',
      },
    ),
  )
  .describe('An account that a team has at a provider, and the Secret that holds its live token.');

export type ProviderCredential = z.infer<typeof ProviderCredential>;
export type CredentialSpec = z.infer<typeof CredentialSpec>;
export type CredentialStatus = z.infer<typeof CredentialStatus>;
