import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Pool } from 'undici';
import type { Access, Delivered, Errand, Parcel } from './courier.ts';

/** The courier's own thread: whoever sent it may stand still meanwhile. */

const { url, ca, token, operatorToken, bell, urgent } = workerData as Access & {
  readonly bell: Int32Array;
  readonly urgent: MessagePort;
};
const pool = new Pool(url, { connect: { ca }, connections: 8, allowH2: false, pipelining: 1 });
const underWay = new Set<Promise<unknown>>();

async function carry({ method, path, headers, body }: Parcel, as: string): Promise<Delivered> {
  try {
    const answer = await pool.request({
      method,
      path,
      headers: { ...headers, authorization: `Bearer ${as}` },
      body: body ?? null,
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, headers: answer.headers, body: text };
  } catch (error) {
    return { status: 0, headers: {}, body: String(error) };
  }
}

function track<T>(work: Promise<T>): Promise<T> {
  underWay.add(work);
  void work.finally(() => underWay.delete(work));
  return work;
}

parentPort?.on('message', ({ id, parcel }: { id: number; parcel: Parcel }) => {
  void track(carry(parcel, operatorToken)).then(delivered => parentPort?.postMessage({ id, delivered }));
});

async function carryAll({ parcels, after }: Errand): Promise<void> {
  if (after) await Promise.all(underWay);
  urgent.postMessage(await Promise.all(parcels.map(parcel => track(carry(parcel, token)))));
  Atomics.add(bell, 0, 1);
  Atomics.notify(bell, 0);
}

urgent.on('message', (errand: Errand) => void carryAll(errand));
