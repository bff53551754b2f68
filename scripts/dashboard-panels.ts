import type { PanelSource } from './dashboard-source.ts';

/** Panels as Grafana takes them. */

export const GRID_WIDTH = 24;
const HEIGHTS = { stat: 4, lines: 8, table: 9, states: 7 } as const satisfies Record<
  PanelSource['show'],
  number
>;
const TYPES = {
  stat: 'stat',
  lines: 'timeseries',
  table: 'table',
  states: 'state-timeline',
} as const satisfies Record<PanelSource['show'], string>;

/** Whichever Prometheus is chosen at the top. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

interface GridPos {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

interface Placed {
  readonly panel: PanelSource;
  readonly gridPos: GridPos;
}

/** Panels flow from the left, and begin a new line where one would not fit. @returns them, and the first free line below. */
export function flow(
  panels: readonly PanelSource[],
  top: number,
): { readonly placed: Placed[]; readonly bottom: number } {
  const placed: Placed[] = [];
  let [x, y, bottom] = [0, top, top];
  for (const panel of panels) {
    const [w, h] = [panel.width, panel.height ?? HEIGHTS[panel.show]];
    if (x + w > GRID_WIDTH) [x, y] = [0, bottom];
    placed.push({ panel, gridPos: { x, y, w, h } });
    x += w;
    bottom = Math.max(bottom, y + h);
  }
  return { placed, bottom };
}

const thresholds = ({ steps = { green: null } }: PanelSource) => ({
  mode: 'absolute',
  steps: Object.entries(steps).map(([color, value]) => ({ color, value })),
});

const mappings = ({ words }: PanelSource) =>
  words === undefined
    ? []
    : [
        {
          type: 'value',
          options: Object.fromEntries(
            Object.entries(words).map(([value, text], index) => [value, { text, index }]),
          ),
        },
      ];

const defaults = (panel: PanelSource) => ({
  unit: panel.unit,
  ...(panel.decimals !== undefined && { decimals: panel.decimals }),
  ...(panel.min !== undefined && { min: panel.min }),
  ...(panel.max !== undefined && { max: panel.max }),
  mappings: mappings(panel),
  thresholds: thresholds(panel),
});

const LEGEND = { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] };

/** What each kind of panel has of its own. */
const KINDS: Readonly<Record<PanelSource['show'], (panel: PanelSource) => object>> = {
  stat: panel => ({
    fieldConfig: { defaults: { ...defaults(panel), color: { mode: 'thresholds' } }, overrides: [] },
    options: {
      colorMode: 'value',
      graphMode: 'area',
      justifyMode: 'auto',
      orientation: 'auto',
      textMode: 'value',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    },
  }),
  lines: panel => ({
    fieldConfig: {
      defaults: {
        ...defaults(panel),
        color: { mode: 'palette-classic' },
        custom: {
          drawStyle: 'line',
          lineWidth: 1,
          fillOpacity: 5,
          showPoints: 'auto',
          spanNulls: false,
          scaleDistribution: panel.scale === 'log' ? { type: 'log', log: 10 } : { type: 'linear' },
        },
      },
      overrides: [],
    },
    options: { legend: LEGEND, tooltip: { mode: 'multi', sort: 'desc' } },
  }),
  table: panel => ({
    fieldConfig: { defaults: { ...defaults(panel), color: { mode: 'thresholds' } }, overrides: [] },
    options: {
      cellHeight: 'sm',
      showHeader: true,
      ...(panel.value !== undefined && { sortBy: [{ displayName: panel.value, desc: false }] }),
    },
    transformations: [
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true, ...(panel.value === undefined && { Value: true }) },
          indexByName: {},
          renameByName: panel.value === undefined ? {} : { Value: panel.value },
        },
      },
    ],
  }),
  states: panel => ({
    fieldConfig: {
      defaults: {
        ...defaults(panel),
        color: { mode: 'thresholds' },
        custom: { fillOpacity: 70, lineWidth: 0 },
      },
      overrides: [],
    },
    options: {
      alignValue: 'left',
      mergeValues: true,
      rowHeight: 0.9,
      showValue: 'auto',
      legend: { ...LEGEND, showLegend: false },
      tooltip: { mode: 'single', sort: 'none' },
    },
  }),
};

/** A table shows what is now; all others, how it came. */
const targets = ({ show, queries }: PanelSource) =>
  queries.map(({ expr, legend }, index) => ({
    refId: String.fromCharCode('A'.charCodeAt(0) + index),
    datasource: DATASOURCE,
    editorMode: 'code',
    expr,
    legendFormat: legend,
    format: show === 'table' ? 'table' : 'time_series',
    instant: show === 'table',
    range: show !== 'table',
  }));

export const panelAt = (id: number, { panel, gridPos }: Placed) => ({
  id,
  type: TYPES[panel.show],
  title: panel.title,
  description: panel.description,
  gridPos,
  datasource: DATASOURCE,
  targets: targets(panel),
  ...KINDS[panel.show](panel),
});
