/** What log lines are made of: people filter by these names, so they are part of the contract. docs/logs.md is made from them. */

/** Every key that a line may have besides `time`, `level` and `msg`, and what it holds. */
export const LOG_KEYS = {
  credential: 'The ProviderCredential, as `namespace/name`.',
  provider: 'The ClusterTokenProvider.',
  flow: 'The flow of the provider.',
  environment: 'The environment of the provider.',
  origin: 'Scheme, host and port of the provider.',
  grant: '`Login` or `Refresh`: what was sent.',
  attempt:
    'The id of one request to a provider. It also stands in `status.lastAttemptId` and in the notes of events.',
  class:
    'What came of it: `Success`, or the class of the failure: `Rejected`, `Throttled`, `Unavailable`, `Unusable`, `Invalid`.',
  reason:
    'Why, as one word: of a provider’s failure one of the [reasons](reference.md#reasons); of the API server’s its own, or an error’s name.',
  detail: 'The same as a sentence. It never quotes an answer.',
  durationMs: 'From sending to the whole answer, or to giving up, in milliseconds.',
  check: 'What was found wrong with the Secret: `SecretMissing`, `SecretEdited`, `ShapeChanged`.',
  secret: 'The name of a Secret.',
  resource: 'The collection that is watched, such as `secrets`.',
  object: 'An object of it, as `namespace/name`.',
  relist: 'Whether the next try begins with a list.',
  code: 'The API server’s HTTP status; 0 where none came.',
  waitedMs: 'How long the first that is told of had waited, in milliseconds.',
  retryInMs: 'When it is tried again, in milliseconds from now.',
  todo: 'What a person can do about it.',
  at: 'Places in the code, of a defect.',
  open: 'Whether the circuit is open.',
  credentials: 'How many credentials there are.',
  providers: 'How many definitions there are.',
  leader: 'The replica that leads.',
  identity: 'This replica, as the Lease names it.',
  shard: 'The shard, from 0.',
  shards: 'How many shards there are.',
  before: 'How many there were.',
  to: 'The replica that asked for a shard.',
  version: 'The version of tokensync.',
  apiServer: 'The API server’s URL.',
  operatorNamespace: 'Where the operator’s own Secret and Lease are.',
  metrics: 'Where /metrics is served.',
  probes: 'Where /healthz and /readyz are served.',
  why: 'What ends the process: a signal, or `deposed`.',
} as const;

/** Every message, by level, and when it is written. */
export const LOG_MESSAGES = {
  error: {
    'deposed: another replica held the lease, so this one ends':
      'The process ends with code 1, to begin anew as a standby.',
    'shards cannot be worked on, so this one ends':
      'Another `--shards` was begun with, or the Leases may not be written: `todo` says which. The process ends with code 1.',
    'a handler of events failed': 'A defect of tokensync: please report it with `at`.',
  },
  warn: {
    'no token': 'One line an attempt: a login or refresh did not bring a token.',
    'circuit opened: one credential probes':
      'An origin fails for many credentials: one of them tries, the others wait.',
    'circuit closed': 'The origin answers again.',
    'reconcile failed': 'The API server stood in the way of a credential.',
    'provider status not written': 'The API server stood in the way of a provider’s status.',
    'former Secret not removed': 'After a change of `target.name`, or of its type.',
    'list or watch failed, trying again': 'The API server does not answer, or refuses.',
    'an object cannot be read: skipped': 'It does not fit the schema of its kind.',
    'the digest key cannot be read yet': 'At the start, while the API server does not answer.',
    'waiting for the API server: it does not answer': 'At the start.',
    'the lease was not renewed': 'Once for each outage.',
    'the lease cannot be read or taken': 'Once for each outage.',
    'the lease ran out: nothing is sent until it is renewed': 'The leader cannot reach the API server.',
    'the lease was not given back: it runs out by itself': 'At the end; a standby takes over a little later.',
    'writes wait for the budget': 'Of `--kube-api-qps`, for more than a second; at most once a minute.',
    'scrapes cannot be authorized':
      'The API server does not review the scraper’s token; at most once a minute.',
    'the certificate of /metrics is not taken over':
      'The files changed, and are no pair; the former one stays.',
  },
  info: {
    'token obtained': 'One line an attempt: a login or refresh brought a token.',
    'Secret written again': 'It was missing or had been changed.',
    'tokensync starts': 'The first line.',
    'watching; work begins': 'All lists are here.',
    'standby: another replica leads': '',
    'elected: this replica leads': '',
    'the lease is renewed: work goes on': 'After it had run out.',
    'the lease is given back': 'At the end; of a shard also when another replica is to have it.',
    'the number of shards is changed': 'Nobody worked with the former one any more.',
    'a shard is given to another replica': 'That one has fewer.',
    'a shard is kept: what is under way takes too long': 'Another replica asked for it; it will ask again.',
    'the API server does not stream lists: using pages': 'It is older than 1.34.',
    'the certificate of /metrics is taken over': 'The files changed.',
    'draining: nothing new starts, what was answered is written': 'After SIGTERM or SIGINT, or when deposed.',
    stopped: 'The last line.',
  },
  debug: {
    'watch ended': 'As watches do after some minutes.',
    'an event of an unknown type': 'Of a watch.',
    'event not recorded': 'The status says the same.',
    'status not written: the credential changed': 'It is looked at again.',
    'the lease was not renewed': 'Again, in the same outage.',
    'the lease cannot be read or taken': 'Again, in the same outage.',
  },
} as const;

export type LogKey = keyof typeof LOG_KEYS;
export type LogFields = { readonly [K in LogKey]?: string | number | boolean | undefined };
/** No other key, also where the fields are no literal. */
type Only<F> = F & { readonly [K in Exclude<keyof F, LogKey>]: never };
type Write<Level extends keyof typeof LOG_MESSAGES> = <F extends LogFields>(
  fields: Only<F>,
  message: keyof (typeof LOG_MESSAGES)[Level],
) => void;

/** What we log through. Fields come first, since messages are constant texts. */
export interface Log {
  readonly debug: Write<'debug'>;
  readonly info: Write<'info'>;
  readonly warn: Write<'warn'>;
  readonly error: Write<'error'>;
}
