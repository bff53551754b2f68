/** The last word of a run that could not be whole. */
export default function setup(): () => void {
  return () => {
    process.stdout.write(
      '\nThe suites on a real kube-apiserver and a real Prometheus were skipped: KUBEBUILDER_ASSETS is not set.\n' +
        'To run them: export KUBEBUILDER_ASSETS="$(go run sigs.k8s.io/controller-runtime/tools/setup-envtest@latest use -p path)"\n',
    );
  };
}
