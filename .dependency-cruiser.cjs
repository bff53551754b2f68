/** Who may import whom. The way of one token: main -> operator -> reconcile -> {decide, provider, kube, observe} -> {api, errors}. */
const from = path => ({ path });
const rule = (name, comment, f, to) => ({ name, comment, severity: 'error', from: f, to });

module.exports = {
  forbidden: [
    rule('no-cycles', 'A cycle hides which part knows which.', {}, { circular: true }),
    rule(
      'no-orphans',
      'A file nobody imports is dead.',
      { path: '^src', pathNot: '^src/main\\.ts$', orphan: true },
      {},
    ),
    rule('src-stands-alone', 'The product never knows its sandbox, tests or scripts.', from('^src'), {
      path: '^(sandbox|test|scripts|bench)',
    }),
    rule('loop-is-generic', 'loop/ knows nothing of tokens or Kubernetes.', from('^src/loop/'), {
      path: '^src/(?!loop/)',
    }),
    rule('api-is-the-contract', 'api/ depends on nothing of ours.', from('^src/api/'), {
      path: '^src/(?!api/)',
    }),
    rule('errors-is-a-leaf', 'errors.ts depends on the contract alone.', from('^src/errors\\.ts$'), {
      path: '^src/(?!api/)',
    }),
    rule('decide-is-pure', 'decide/ takes time as an argument and does no I/O.', from('^src/decide/'), {
      path: [
        '^src/(?!decide/|api/|loop/slots\\.ts|errors\\.ts|held\\.ts)',
        '^(node:)?(fs|http|http2|https|net|tls|dns|dgram|timers|child_process|worker_threads)(/|$)',
        'node_modules/(undici|pino|prom-client|@kubernetes)/',
      ],
    }),
    rule('provider-knows-no-cluster', 'provider/ speaks to login APIs alone.', from('^src/provider/'), {
      path: '^src/(?!provider/|api/|errors\\.ts|loop/)',
    }),
    rule('kube-knows-no-provider', 'kube/ speaks to the API server alone.', from('^src/kube/'), {
      path: '^src/(?!kube/|api/|errors\\.ts|held\\.ts|loop/)',
    }),
    rule(
      'lead-knows-only-leases',
      'lead/ decides who works, and knows nothing of the work.',
      from('^src/lead/'),
      {
        path: '^src/(?!lead/|kube/|api/|errors\\.ts|loop/)',
      },
    ),
    rule('observe-only-observes', 'observe/ never acts.', from('^src/observe/'), {
      path: '^src/(?!observe/|api/|errors\\.ts|loop/)',
    }),
    rule('main-is-the-root', 'Nobody imports the composition root inside src.', from('^src'), {
      path: '^src/main\\.ts$',
    }),
  ],
  options: {
    // The only one of its parsers that reads TypeScript beside typescript 7, which has no API.
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
