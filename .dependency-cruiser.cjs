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
    rule('loop-is-generic', 'loop/ knows nothing of tokens or Kubernetes.', from('^src/loop'), {
      path: '^src/(?!loop)',
    }),
    rule('api-is-the-contract', 'api/ depends on nothing of ours.', from('^src/api'), {
      path: '^src/(?!api)',
    }),
    rule('errors-is-a-leaf', 'errors.ts depends on the contract alone.', from('^src/errors\\.ts$'), {
      path: '^src/(?!api)',
    }),
    rule('decide-is-pure', 'decide/ takes time as an argument and does no I/O.', from('^src/decide'), {
      path: [
        '^src/(?!decide|api|errors)',
        '^node:(fs|http|https|net|dns|timers|child_process)',
        'undici',
        'pino',
      ],
    }),
    rule('provider-knows-no-cluster', 'provider/ speaks to login APIs alone.', from('^src/provider'), {
      path: '^src/(?!provider|api|errors|loop)',
    }),
    rule('kube-knows-no-provider', 'kube/ speaks to the API server alone.', from('^src/kube'), {
      path: '^src/(?!kube|api|errors|loop)',
    }),
    rule('observe-only-observes', 'observe/ never acts.', from('^src/observe'), {
      path: '^src/(?!observe|api|errors|loop)',
    }),
    rule('main-is-the-root', 'Nobody imports the composition root inside src.', from('^src'), {
      path: '^src/main\\.ts$',
    }),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
