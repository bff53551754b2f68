import { DATASOURCE, flow, GRID_WIDTH, panelAt } from './dashboard-panels.ts';
import { DASHBOARD_SOURCE_PATH, type DashboardSource, readDashboardSource } from './dashboard-source.ts';

/** deploy/grafana/tokensync.json: the dashboard as Grafana takes it (10 or later), from its source. */

export const DASHBOARD_PATH = 'deploy/grafana/tokensync.json';

/** Grafana's form of dashboards; later ones read it, and bring it up to date themselves. */
const SCHEMA_VERSION = 39;
/** A choice of a label's values; all of them at first. */
const choice = (name: string, label: string, query: string) => ({
  name,
  label,
  type: 'query',
  datasource: DATASOURCE,
  definition: query,
  query: { qryType: 1, query, refId: 'PrometheusVariableQueryEditor-VariableQuery' },
  // Not the list of all: most series have no namespace, and some a provider that is not there.
  allValue: '.*',
  current: { selected: true, text: ['All'], value: ['$__all'] },
  hide: 0,
  includeAll: true,
  multi: true,
  options: [],
  refresh: 2,
  regex: '',
  skipUrlSync: false,
  sort: 1,
});

const VARIABLES = [
  {
    name: 'datasource',
    label: 'Prometheus',
    type: 'datasource',
    query: 'prometheus',
    current: {},
    hide: 0,
    includeAll: false,
    multi: false,
    options: [],
    refresh: 1,
    regex: '',
    skipUrlSync: false,
  },
  choice('namespace', 'Namespace', 'label_values(tokensync_credential_ready, namespace)'),
  choice('provider', 'Provider', 'label_values(tokensync_credentials_state, provider)'),
];

function dashboard({ rows }: DashboardSource) {
  const panels: object[] = [];
  let top = 0;
  for (const { title, panels: sources } of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y: top, w: GRID_WIDTH, h: 1 },
      panels: [],
    });
    const { placed, bottom } = flow(sources, top + 1);
    for (const each of placed) panels.push(panelAt(panels.length + 1, each));
    top = bottom;
  }
  return {
    uid: 'tokensync',
    id: null,
    title: 'tokensync',
    description: `Live tokens in Secrets: who has one, who does not, and why. Made from ${DASHBOARD_SOURCE_PATH}.`,
    tags: ['tokensync'],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    timepicker: {},
    timezone: '',
    annotations: { list: [] },
    links: [
      {
        type: 'link',
        title: 'Runbook',
        url: 'https://github.com/tokensync/tokensync/blob/main/docs/runbook.md',
        icon: 'doc',
        tooltip: 'What to do when an alert fires',
        targetBlank: true,
        asDropdown: false,
        includeVars: false,
        keepTime: false,
        tags: [],
      },
    ],
    templating: { list: VARIABLES },
    panels,
  };
}

/** As the formatter has it: a list of one is on one line. */
export async function dashboardText(): Promise<string> {
  const text = JSON.stringify(dashboard(await readDashboardSource()), null, 2);
  return `${text.replaceAll(/\[\n\s*("[^"\n]*")\n\s*\]/g, '[$1]')}\n`;
}
