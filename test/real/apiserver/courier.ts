import { join } from 'node:path';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';

/** A request as it is sent, but for who sends it. */
export interface Parcel {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** `status` 0: no answer, and `body` says why. */
export interface Delivered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface Errand {
  readonly parcels: readonly Parcel[];
  /** Whether what is under way must have ended first. */
  readonly after: boolean;
}

/** Where to, and as whom: the test itself, and the operator. */
export type Access = Readonly<Record<'url' | 'ca' | 'token' | 'operatorToken', string>>;

const URGENT_MS = 30_000;

/** Carries requests to a real API server on a thread of its own, so that a test can wait for one without giving way to anything else. */
export class Courier {
  readonly #worker: Worker;
  readonly #urgent: MessagePort;
  readonly #bell = new Int32Array(new SharedArrayBuffer(4));
  readonly #waiting = new Map<number, (delivered: Delivered) => void>();
  #ids = 0;

  constructor(to: Access) {
    const { port1, port2 } = new MessageChannel();
    this.#urgent = port1;
    this.#worker = new Worker(join(import.meta.dirname, 'courier-thread.ts'), {
      workerData: { ...to, bell: this.#bell, urgent: port2 },
      transferList: [port2],
      execArgv: [],
    });
    this.#worker.on('message', ({ id, delivered }: { id: number; delivered: Delivered }) => {
      const settle = this.#waiting.get(id);
      this.#waiting.delete(id);
      settle?.(delivered);
    });
    this.#worker.unref();
    this.#urgent.unref();
  }

  /** As the operator. */
  send(parcel: Parcel): Promise<Delivered> {
    const id = this.#ids++;
    return new Promise(resolve => {
      this.#waiting.set(id, resolve);
      this.#worker.postMessage({ id, parcel });
    });
  }

  /** As the test. Sends them at once and stands still until all are answered. */
  sendNow(errand: Errand): readonly Delivered[] {
    const before = Atomics.load(this.#bell, 0);
    this.#urgent.postMessage(errand);
    if (Atomics.wait(this.#bell, 0, before, URGENT_MS) === 'timed-out') {
      const what = errand.parcels.map(({ method, path }) => `${method} ${path}`).join(', ');
      throw new Error(`no answer within ${URGENT_MS} ms to ${what}`);
    }
    const received: { message: readonly Delivered[] } | undefined = receiveMessageOnPort(this.#urgent);
    if (received === undefined) throw new Error('the courier came back with nothing');
    return received.message;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
