/** Every metric of ours, once: what registers them, and what the docs list. */

export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

const credential = ['namespace', 'name', 'provider'] as const;

export const FAMILIES = {
  refreshTotal: {
    name: 'tokensync_refresh_total',
    type: 'counter',
    help: 'Attempts to obtain a token, by how they ended.',
    labels: ['provider', 'flow', 'grant', 'result'],
  },
  refreshDuration: {
    name: 'tokensync_refresh_duration_seconds',
    type: 'histogram',
    help: 'How long the exchange with the provider took.',
    labels: ['provider', 'grant'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  },
  refreshLateness: {
    name: 'tokensync_refresh_lateness_seconds',
    type: 'histogram',
    help: 'How long after it was due a renewal was sent.',
    labels: ['provider'],
    buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200],
  },
  credentialExpiry: {
    name: 'tokensync_credential_expiry_timestamp_seconds',
    type: 'gauge',
    help: 'When the held token expires, in seconds since 1970; absent when that is unknown.',
    labels: credential,
  },
  credentialRenew: {
    name: 'tokensync_credential_renew_timestamp_seconds',
    type: 'gauge',
    help: 'When the held token is due to be renewed, in seconds since 1970; absent when it is not.',
    labels: credential,
  },
  credentialReady: {
    name: 'tokensync_credential_ready',
    type: 'gauge',
    help: 'Whether the Secret holds a live token for what the credential says: 1 or 0.',
    labels: credential,
  },
  credentialLastSuccess: {
    name: 'tokensync_credential_last_success_timestamp_seconds',
    type: 'gauge',
    help: 'When the held token was asked for, in seconds since 1970; absent before the first.',
    labels: credential,
  },
  credentialRejections: {
    name: 'tokensync_credential_rejections',
    type: 'gauge',
    help: 'Refused logins with the present inputs.',
    labels: credential,
  },
  providerCircuitOpen: {
    name: 'tokensync_provider_circuit_open',
    type: 'gauge',
    help: 'Whether an origin fails for so many that only one of them probes it: 1 or 0.',
    labels: ['provider', 'origin'],
  },
  queueDepth: {
    name: 'tokensync_queue_depth',
    type: 'gauge',
    help: 'Keys that are due and not yet worked on.',
    labels: [],
  },
  queueWait: {
    name: 'tokensync_queue_wait_seconds',
    type: 'histogram',
    help: 'How long a due key waited for a worker.',
    labels: [],
    buckets: [0.001, 0.01, 0.1, 0.5, 1, 5, 30, 120],
  },
  watchRestarts: {
    name: 'tokensync_watch_restarts_total',
    type: 'counter',
    help: 'Watches that ended in an error or fell silent, and were opened again.',
    labels: ['resource'],
  },
  watchLastEventAge: {
    name: 'tokensync_watch_last_event_age_seconds',
    type: 'gauge',
    help: 'How long ago a watch last brought an event or a bookmark.',
    labels: ['resource'],
  },
  leader: {
    name: 'tokensync_leader',
    type: 'gauge',
    help: 'Whether this replica does the work: 1 or 0.',
    labels: [],
  },
  apiRequests: {
    name: 'tokensync_api_requests_total',
    type: 'counter',
    help: 'Calls to the Kubernetes API server, by verb and status code; code is "error" where there was no answer.',
    labels: ['verb', 'code'],
  },
} as const satisfies Record<string, Family>;
