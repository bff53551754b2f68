/** Condition types and reasons. Each reason exists once and is shared by conditions, events, logs and docs. */

export const CONDITION = {
  ready: 'Ready',
  refreshed: 'Refreshed',
  stalled: 'Stalled',
  accepted: 'Accepted',
  saturated: 'Saturated',
} as const;

export const REASONS = [
  // the token is there
  'TokenLive',
  'LifetimeBelowPropagation',
  'NoLaterExpiry',
  'TokenPublished',
  'Suspended',
  // not yet, or no longer
  'Pending',
  'InputsChanged',
  'TokenExpired',
  'TokenMissing',
  'RefreshFailed',
  // what a person must mend, or another controller may bring
  'ProviderNotFound',
  'ProviderNotAccepted',
  'NamespaceNotAllowed',
  'FlowUnknown',
  'EnvironmentUnknown',
  'EnvironmentUnavailable',
  'ParameterInvalid',
  'SourceMissing',
  'SourceKeyMissing',
  'SourceValueInvalid',
  'SourceForbidden',
  'SpecInvalid',
  'TemplateInvalid',
  'SecretConflict',
  'PublishBlocked',
  'SessionNotSaved',
  'DigestKeyUnavailable',
  // what the provider did
  'Rejected',
  'RefreshTokenRejected',
  'RejectionLimit',
  'ProviderRejectsAll',
  'Throttled',
  'Unreachable',
  'OutcomeUnknown',
  'CircuitOpen',
  'Unusable',
  'Redirected',
  'AddressRefused',
  'RequestInvalid',
  // of a provider's definition
  'Compiled',
  'DefinitionInvalid',
  'WithinLimits',
  'NeedExceedsLimit',
] as const;

export type Reason = (typeof REASONS)[number];
