/** Names that users, manifests and other programs depend on. Each exists once, here. */

export const GROUP = 'tokensync.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

export const CREDENTIAL_KIND = 'ProviderCredential';
export const CREDENTIAL_PLURAL = 'providercredentials';
export const PROVIDER_KIND = 'ClusterTokenProvider';
export const PROVIDER_PLURAL = 'clustertokenproviders';

/** The server-side apply manager, and the `reportingController` of events. */
export const FIELD_MANAGER = 'tokensync';

/** A person's request for one login per new value (on a credential or a provider). */
export const REFRESH_REQUESTED_AT = `${GROUP}/refresh-requested-at`;

/** Label on every Secret that we write. */
export const MANAGED_LABEL = `${GROUP}/managed`;

/** What stands beside the data of a target Secret, so that a restart needs no login. All are annotations. */
export const ANNOTATION = {
  /** `<namespace>/<name>` of the credential that the Secret belongs to. */
  credential: `${GROUP}/credential`,
  /** Keyed digest of provider, environment, origin, flow and parameters that the token was obtained for. */
  account: `${GROUP}/account`,
  /** Keyed digest of the input values. */
  inputs: `${GROUP}/inputs`,
  /** The source Secret and its keys, as `name:input=key,…`: tells an edited account from a changed value. */
  source: `${GROUP}/source`,
  /** SHA-256 over the data that we wrote; tells an edit by someone else. */
  dataHash: `${GROUP}/data-hash`,
  /** RFC 3339; counted from before the request was sent. */
  issuedAt: `${GROUP}/issued-at`,
  /** RFC 3339; absent when the token has no known expiry. */
  expiresAt: `${GROUP}/expires-at`,
  /** RFC 3339; set when a grant brought no later expiry, so that asking again waits. */
  renewNotBefore: `${GROUP}/renew-not-before`,
  /** `Login` or `Refresh`. */
  grant: `${GROUP}/grant`,
  /** How many grants this credential has had; 1 for its first. */
  grants: `${GROUP}/grants`,
  /** The session's sequence number that the token came with; a session with a lower one is a restored backup. */
  sessionSequence: `${GROUP}/session-sequence`,
} as const;

/** Annotations of the Leases, where there are several shards. */
export const LEASE_ANNOTATION = {
  /** On the one Lease that all replicas share: the number of shards. */
  shards: `${GROUP}/shards`,
  /** Beside it: numbers that were before, while someone may still work with them. */
  shardsBefore: `${GROUP}/shards-before`,
  /** Beside it: who asks for a shard, and a number that makes each wish another. */
  wantedBy: `${GROUP}/wanted-by`,
  /** On the Lease of a shard that was given back: for whom. */
  reservedFor: `${GROUP}/reserved-for`,
} as const;

/** The Secret type of `<credential>.session`, which holds a refresh token and is never mounted. */
export const SESSION_SECRET_TYPE = `${GROUP}/session`;
export const SESSION_SUFFIX = '.session';

/** The Secret in the operator's namespace that holds the digest key. */
export const DIGEST_KEY_SECRET = 'tokensync-digest-key';

/** Source Secrets of these types are never read for inputs. */
export const FORBIDDEN_SOURCE_TYPES: readonly string[] = [
  'kubernetes.io/service-account-token',
  'bootstrap.kubernetes.io/token',
  SESSION_SECRET_TYPE,
];
/** `helm.sh/release.v1` and what may follow it: refused as source and as target. */
export const HELM_TYPE_PREFIX = 'helm.sh/';
