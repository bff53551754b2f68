/** Every metric of ours, once: what registers them, and what docs/metrics.md lists. */

export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** What the series means; then what to do with it. */
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

export const FAMILIES = {
  buildInfo: {
    name: 'tokensync_build_info',
    type: 'gauge',
    help: 'Always 1; the labels say what runs. Absent from all replicas means that no operator is running.',
    labels: ['version', 'node'],
  },
  leader: {
    name: 'tokensync_leader',
    type: 'gauge',
    help: 'Whether this replica does the work, or with several shards a part of it, 1 or 0. Alert when no replica has 1.',
    labels: [],
  },
  shards: {
    name: 'tokensync_shards',
    type: 'gauge',
    help: 'Into how many shards the work is divided (--shards).',
    labels: [],
  },
  shardsOwned: {
    name: 'tokensync_shards_owned',
    type: 'gauge',
    help: 'How many of them this replica has. Alert when the sum over all replicas stays below tokensync_shards: nobody works on the rest.',
    labels: [],
  },
  credentialSeconds: {
    name: 'tokensync_credential_seconds_total',
    type: 'counter',
    help: 'Seconds that credentials spent with a live token or without one (dead), added up over all of them while this replica worked on them. Not counted: who never had a token yet, and who is suspended. Its ratio is the service level.',
    labels: ['provider', 'state'],
  },
  credentialsState: {
    name: 'tokensync_credentials_state',
    type: 'gauge',
    help: 'Credentials now, by state: live, dead (had a token and has none that lives), new (never had one) or suspended. Watch dead.',
    labels: ['provider', 'state'],
  },
  credentials: {
    name: 'tokensync_credentials',
    type: 'gauge',
    help: 'Credentials by the status and reason of their condition Ready, or Suspended; a reason that none has is absent. Look up the reason in docs/reference.md.',
    labels: ['provider', 'ready', 'reason'],
  },
  credentialsStopped: {
    name: 'tokensync_credentials_stopped',
    type: 'gauge',
    help: 'Credentials for which nothing is sent until a person helps, by reason; a reason that none has is absent. RejectionLimit: correct the login.',
    labels: ['provider', 'reason'],
  },
  credentialsFailing: {
    name: 'tokensync_credentials_failing',
    type: 'gauge',
    help: 'Credentials whose last attempt failed, by reason; a reason that none has is absent. Tells whether it is the provider or one login.',
    labels: ['provider', 'reason'],
  },
  credentialsRefused: {
    name: 'tokensync_credentials_refused',
    type: 'gauge',
    help: 'Credentials whose present login was refused at least once and is tried again by itself. Correct the login before the tries run out.',
    labels: ['provider'],
  },
  credentialsPastRenewal: {
    name: 'tokensync_credentials_past_renewal',
    type: 'gauge',
    help: 'Credentials more than a minute past the renewal of their token, by whether their last attempt failed. With failing="false" it is the operator that is late, or its limits.',
    labels: ['provider', 'failing'],
  },
  credentialsExpiring: {
    name: 'tokensync_credentials_expiring',
    type: 'gauge',
    help: 'Credentials whose token lives, is due to be renewed and has used up half of the time that was left for that; suspended, refused and stopped ones have metrics of their own. Find out why no successor comes.',
    labels: ['provider'],
  },
  credentialsExpired: {
    name: 'tokensync_credentials_expired',
    type: 'gauge',
    help: 'Credentials, but for suspended ones, whose held token has expired. Whoever uses it is refused by the provider.',
    labels: ['provider'],
  },
  soonestExpiry: {
    name: 'tokensync_provider_soonest_expiry_timestamp_seconds',
    type: 'gauge',
    help: 'When the next of the tokens that still live expires, in seconds since 1970; absent when none is known to. Subtract time().',
    labels: ['provider'],
  },
  providerAccepted: {
    name: 'tokensync_provider_accepted',
    type: 'gauge',
    help: 'Whether the definition of the provider can work, 1 or 0. With 0, its condition Accepted names the field.',
    labels: ['provider'],
  },
  providerSaturated: {
    name: 'tokensync_provider_saturated',
    type: 'gauge',
    help: 'Whether the credentials need more requests than spec.limits of the provider allows, 1 or 0. With 1, renewals will be late.',
    labels: ['provider'],
  },
  providerCircuitOpen: {
    name: 'tokensync_provider_circuit_open',
    type: 'gauge',
    help: 'Whether an origin fails for so many that only one of them probes it, 1 or 0. With 1, ask the provider.',
    labels: ['provider', 'origin'],
  },
  providerRejectsAll: {
    name: 'tokensync_provider_rejects_all',
    type: 'gauge',
    help: 'Whether the circuit is open because logins that once worked are refused for several credentials at once, 1 or 0. With 1, it is the provider, or a change of its login.',
    labels: ['provider', 'origin'],
  },
  providerPaused: {
    name: 'tokensync_provider_paused',
    type: 'gauge',
    help: 'Whether nothing is sent to an origin because it asked several credentials to wait, 1 or 0. If it lasts, lower spec.limits or raise the quota.',
    labels: ['provider', 'origin'],
  },
  refreshTotal: {
    name: 'tokensync_refresh_total',
    type: 'counter',
    help: 'Attempts to obtain a token, by grant (login or refresh) and by how they ended: success or the class of the failure. Take the rate.',
    labels: ['provider', 'flow', 'grant', 'result'],
  },
  refreshDuration: {
    name: 'tokensync_refresh_duration_seconds',
    type: 'histogram',
    help: 'How long exchanges with the provider took. Compare quantiles with spec.limits.timeout.',
    labels: ['provider', 'grant'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  refreshLateness: {
    name: 'tokensync_refresh_lateness_seconds',
    type: 'histogram',
    help: 'How long after they were due renewals were sent. More than seconds means limits or an operator that cannot keep up.',
    labels: ['provider'],
    buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200],
  },
  queueDepth: {
    name: 'tokensync_queue_depth',
    type: 'gauge',
    help: 'Keys that are due and not yet worked on. If it stays up, raise --max-concurrent-reconciles.',
    labels: [],
  },
  queueWait: {
    name: 'tokensync_queue_wait_seconds',
    type: 'histogram',
    help: 'How long due keys waited for a worker. More than seconds makes renewals late.',
    labels: [],
    buckets: [0.001, 0.01, 0.1, 0.5, 1, 5, 30, 120],
  },
  watchRestarts: {
    name: 'tokensync_watch_restarts_total',
    type: 'counter',
    help: 'Watches that ended in an error or fell silent, and were opened again. A steady rate points at the API server or what stands before it.',
    labels: ['resource'],
  },
  watchLastEventAge: {
    name: 'tokensync_watch_last_event_age_seconds',
    type: 'gauge',
    help: 'How long ago a watch last brought an event or a bookmark. Bookmarks come each minute: over some minutes, changes are not seen.',
    labels: ['resource'],
  },
  apiRequests: {
    name: 'tokensync_api_requests_total',
    type: 'counter',
    help: 'Calls to the Kubernetes API server, by verb and status code; code is "error" where there was no answer. Watch for 403, 429 and error.',
    labels: ['verb', 'code'],
  },
} as const satisfies Record<string, Family>;

const credential = ['namespace', 'name', 'provider'] as const;

/** A series for each credential: as many as there are credentials, so they have a switch. */
export const CREDENTIAL_FAMILIES = {
  ready: {
    name: 'tokensync_credential_ready',
    type: 'gauge',
    help: 'Whether the Secret holds a live token for what the credential says, 1 or 0.',
    labels: credential,
  },
  notReady: {
    name: 'tokensync_credential_not_ready',
    type: 'gauge',
    help: 'Always 1, and only while the credential is not ready: the reason of its condition Ready. Look it up in docs/reference.md.',
    labels: [...credential, 'reason'],
  },
  stopped: {
    name: 'tokensync_credential_stopped',
    type: 'gauge',
    help: 'Always 1, and only while nothing is sent for the credential until a person helps: why. RejectionLimit: correct the login.',
    labels: [...credential, 'reason'],
  },
  suspended: {
    name: 'tokensync_credential_suspended',
    type: 'gauge',
    help: 'Always 1, and only while spec.suspend is true. Leaves the credential out of alerts.',
    labels: credential,
  },
  expiry: {
    name: 'tokensync_credential_expiry_timestamp_seconds',
    type: 'gauge',
    help: 'When the held token expires, in seconds since 1970; absent when that is unknown. Subtract time().',
    labels: credential,
  },
  renew: {
    name: 'tokensync_credential_renew_timestamp_seconds',
    type: 'gauge',
    help: 'When the held token is due to be renewed, in seconds since 1970; absent when it is not. Long past means that something stands in the way.',
    labels: credential,
  },
  lastSuccess: {
    name: 'tokensync_credential_last_success_timestamp_seconds',
    type: 'gauge',
    help: 'When the held token was asked for, in seconds since 1970; absent before the first.',
    labels: credential,
  },
  rejections: {
    name: 'tokensync_credential_rejections',
    type: 'gauge',
    help: 'Refused logins with the present inputs. More than 0: the password may have changed.',
    labels: credential,
  },
} as const satisfies Record<string, Family>;
