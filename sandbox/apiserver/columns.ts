import { type KubeObject, objectOr, textOr } from './json.ts';
import { compilePath } from './jsonpath.ts';
import type { Column } from './kind.ts';

/** What the columns of a Table show. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** An age as kubectl writes it: two units while they matter, one after. */
export function humanDuration(ms: number): string {
  if (ms < -SECOND) return '<invalid>';
  const s = Math.max(0, Math.floor(ms / SECOND));
  const two = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`;
  if (s < 120) return `${s}s`;
  const minutes = Math.floor(ms / MINUTE);
  if (minutes < 10) return two(minutes, 'm', s % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(ms / HOUR);
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(ms / DAY);
  if (hours < 192) return two(days, 'd', hours % 24, 'h');
  if (days < 365 * 2) return `${days}d`;
  const years = Math.floor(days / 365);
  return years < 8 ? two(years, 'y', days % 365, 'd') : `${years}y`;
}

const age = (time: string | undefined, now: number): string =>
  time === undefined || time === '' ? '<unknown>' : humanDuration(now - Date.parse(time));

type Cell = Column['cell'];
const column = (name: string, cell: Cell, priority = 0, type = 'string'): Column => ({
  name,
  type,
  priority,
  cell,
});

export const nameColumn: Column = {
  ...column('Name', object => object.metadata.name),
  format: 'name',
};
const ageColumn = column('Age', (object, now) => age(object.metadata.creationTimestamp, now));

export const secretColumns: readonly Column[] = [
  nameColumn,
  column('Type', object => textOr(object.type)),
  column('Data', object => Object.keys(objectOr(object.data)).length),
  ageColumn,
];
export const namespaceColumns: readonly Column[] = [
  nameColumn,
  column('Status', object => textOr(objectOr(object.status).phase)),
  ageColumn,
];
export const leaseColumns: readonly Column[] = [
  nameColumn,
  column('Holder', object => textOr(objectOr(object.spec).holderIdentity)),
  ageColumn,
];
export const definitionColumns: readonly Column[] = [
  nameColumn,
  column('Created At', object => object.metadata.creationTimestamp, 0, 'date'),
];

/** Of the stored form, core/v1. */
const lastSeen = (event: KubeObject): string =>
  textOr(objectOr(event.series).lastObservedTime) || textOr(event.lastTimestamp) || textOr(event.eventTime);
const involved = (event: KubeObject): string => {
  const { kind, name } = objectOr(event.involvedObject);
  return `${textOr(kind).toLowerCase()}/${textOr(name)}`;
};
const times = (event: KubeObject): number => Number(objectOr(event.series).count ?? event.count ?? 1);

export const eventColumns: readonly Column[] = [
  column('Last Seen', (event, now) => age(lastSeen(event), now)),
  column('Type', event => textOr(event.type)),
  column('Reason', event => textOr(event.reason)),
  column('Object', involved),
  column('Subobject', event => textOr(objectOr(event.involvedObject).fieldPath), 1),
  column('Source', event => textOr(objectOr(event.source).component) || textOr(event.reportingComponent), 1),
  column('Message', event => textOr(event.message).trim()),
  column('First Seen', (event, now) => age(textOr(event.firstTimestamp) || textOr(event.eventTime), now), 1),
  column('Count', times, 1),
  { ...nameColumn, priority: 1 },
];

export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly priority?: number | undefined;
}

/** The columns that a CRD asks for; without any, the age. */
export function printerColumns(printers: readonly PrinterColumn[]): readonly Column[] {
  if (printers.length === 0) return [nameColumn, { ...ageColumn, type: 'date' }];
  return [
    nameColumn,
    ...printers.map(({ name, type, jsonPath, priority = 0 }) => {
      const read = compilePath(jsonPath);
      const cell: Cell = (object, now) => {
        const value = read(object);
        if (value === undefined || value === null) return null;
        if (type === 'date') return age(textOr(value), now);
        return typeof value === 'object' ? JSON.stringify(value) : value;
      };
      return column(name, cell, priority, type);
    }),
  ];
}
