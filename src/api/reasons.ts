/** Condition types and reasons. Each reason exists once and is shared by conditions, events, logs and docs. */

export const CONDITION = {
  ready: 'Ready',
  refreshed: 'Refreshed',
  stalled: 'Stalled',
  accepted: 'Accepted',
  saturated: 'Saturated',
} as const;

/** Reason to `meaning; what to do`, which the reference in docs/ shows. */
export const REASONS = {
  // the token is there
  TokenLive: 'The Secret holds a live token; nothing to do.',
  LifetimeBelowPropagation:
    'The token lives, but shorter than a mounted Secret needs to reach a pod; read the Secret through the API or as soon as it changes, or ask the provider for longer tokens.',
  NoLaterExpiry:
    'The provider answered with an expiry no later than that of the held token, so asking more often brings nothing; the next try comes later by itself.',
  TokenPublished: 'A new token was obtained and written; nothing to do.',
  Suspended: 'spec.suspend is true, so nothing is sent to the provider; set it to false to go on.',
  // not yet, or no longer
  InputsChanged:
    'Provider, environment, flow, parameters or account were changed and the token for the new ones is not there yet; the old one stays in the Secret meanwhile, wait.',
  TokenExpired: 'The token in the Secret has expired; see the condition Refreshed for why no new one came.',
  TokenMissing: 'The Secret holds no token yet, or its token is gone; it is written by itself, wait.',
  // what a person must mend, or another controller may bring
  ProviderNotFound: 'spec.providerRef names no existing provider; create it or correct the name.',
  ProviderNotAccepted:
    'The definition of the provider cannot work; see the condition Accepted of the provider.',
  NamespaceNotAllowed:
    'The provider does not allow this namespace; ask an admin to widen spec.allowedNamespaces of the provider.',
  FlowUnknown: 'spec.flow is not one of the flows of the provider; choose one that the message lists.',
  EnvironmentUnknown:
    'spec.environment is not one of the environments of the provider; choose one that the message lists.',
  EnvironmentUnavailable:
    'The provider documents this environment as not available, so nothing is sent; choose another.',
  ParameterInvalid:
    'A value in spec.parameters is missing, unknown or does not fit its pattern; correct the one that the message names.',
  SourceMissing: 'The Secret that spec.source names does not exist; create it.',
  SourceKeyMissing:
    'The source Secret lacks a key, or it is empty; add the key that the message names or map it by spec.source.keys.',
  SourceValueInvalid:
    'A value in the source Secret cannot be sent (not UTF-8, a line break, not fit for a URL); correct the key that the message names.',
  SourceForbidden:
    'The source Secret is of a kind that is never read as a login, such as a service account token; use another Secret.',
  SpecInvalid: 'A field of the spec cannot be used; correct the one that the message names.',
  TemplateInvalid:
    'A template in spec.target.data names what does not exist; correct the one that the message names.',
  SecretConflict:
    'A Secret of the name of the target exists and is not ours, so it is not touched; choose another target.name or remove that Secret.',
  PublishBlocked:
    'The API server refuses to write the target (quota, policy, name, type, or someone has set it immutable), so nothing is sent to the provider; mend what the message names.',
  SessionNotSaved:
    'The token was published, but its refresh token could not be saved yet; saving goes on. See that the operator may write Secrets.',
  // what the provider did
  Rejected:
    'The provider says that these credentials are wrong; correct the source Secret, which is then tried at once.',
  RefreshTokenRejected: 'The provider refused the refresh token; a login follows by itself.',
  RejectionLimit:
    'The login was refused as often as is allowed, and more tries could lock the account; correct the source Secret, or set the annotation tokensync.dev/refresh-requested-at to a new value for one more try.',
  ProviderRejectsAll:
    'The provider refuses logins that worked before, for several credentials at once; nothing is counted and one of them probes. Ask the provider.',
  Throttled: 'The provider asks to wait; the next try comes by itself.',
  Unreachable:
    'No connection to the provider (DNS, connect, TLS); retried by itself. See network policies, proxy and caBundle if it lasts.',
  OutcomeUnknown:
    'The login was sent but no usable answer came (time-out, reset, 5xx); retried by itself, with longer waits.',
  CircuitOpen:
    'The provider fails for many credentials, so one of them probes and the others wait; they go on when it recovers.',
  Unusable:
    'The provider accepted the login but its answer cannot be read; correct the field of the definition that the message names.',
  Redirected:
    'The provider answered with a redirect, which is no login; correct baseUrl or path in the definition (often a missing trailing slash).',
  AddressRefused:
    'The host leads to an address that the guard refuses; if it is meant, let an admin add it to spec.network.allowCIDRs of the provider.',
  RequestInvalid:
    'The request cannot be built from the definition and these values; correct the field that the message names.',
  // of a provider's definition
  Compiled: 'The definition can work; nothing to do.',
  DefinitionInvalid: 'The definition cannot work; correct the field that the message names.',
  WithinLimits: 'The credentials need no more than the limits allow; nothing to do.',
  NeedExceedsLimit:
    'The credentials need more requests than spec.limits allows, so renewals will be late; raise the limit, or use fewer or longer-lived tokens.',
} as const;

export type Reason = keyof typeof REASONS;
