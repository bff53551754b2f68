import type { Call, Fault, Injection, RequestLog } from '../../../sandbox/apiserver/faults.ts';
import { Front } from '../../../sandbox/apiserver/front.ts';
import { type JsonObject, type KubeObject, objectOr, textOr } from '../../../sandbox/apiserver/json.ts';
import type { ApiServer } from '../../../sandbox/apiserver/server.ts';
import type { Change } from '../../../sandbox/apiserver/store.ts';
import type { VirtualClock } from '../../../sandbox/virtual-clock.ts';
import type { WireHandler, WireRequest, WireResponse } from '../../../sandbox/wire.ts';
import { accepted, isFailure, parcelOf, parseObject, passedOn } from './answers.ts';
import { Changes } from './changes.ts';
import type { Delivered, Parcel } from './courier.ts';
import { DEFINITIONS, type KindPath, MIRRORED, pathOf } from './kinds.ts';
import type { Mirror } from './mirror.ts';
import type { Plane } from './plane.ts';
import { Quiet } from './quiet.ts';
import { Watches } from './watches.ts';

const WRITES = new Set(['create', 'update', 'patch', 'delete']);
const HAS_STATUS = new Set(['providercredentials', 'clustertokenproviders']);
/** What tests and fixtures write as, and how strictly. */
const MANNER = 'fieldManager=sandbox&fieldValidation=Strict';
const NO_ANSWER: WireResponse = { status: 0, fault: 'hang' };

/**
 * A real kube-apiserver, as a world and its tests know their API server. One world at a time has it. The world's clock
 * stands still until all requests are answered, all watches have told what they must, and the garbage collector is done.
 */
export class RealApiServer implements ApiServer {
  readonly #plane: Plane;
  readonly #front: Front;
  readonly #quiet = new Quiet();
  readonly #changes: Changes;
  readonly #watches: Watches;
  /** Once the world is over, as it was then. */
  #mirror: Mirror;
  #underWay = 0;
  /** A test has written since the last answer was passed on. */
  #written = false;
  #closed = false;

  static #present: RealApiServer | undefined;
  /** The world that had the cluster is over; what it left is removed. */
  static begin(plane: Plane, clock: VirtualClock): RealApiServer {
    RealApiServer.#present?.close();
    RealApiServer.#present = new RealApiServer(plane, clock);
    return RealApiServer.#present;
  }

  private constructor(plane: Plane, clock: VirtualClock) {
    this.#plane = plane;
    this.#mirror = plane.mirror;
    this.#front = new Front(clock, (call, request) => this.#answer(call, request));
    this.#changes = new Changes(plane.mirror, ({ resource }, changed) =>
      this.#watches.require(resource, changed),
    );
    this.#watches = new Watches({ plane, clock, quiet: this.#quiet, changes: this.#changes });
    plane.clear();
    plane.onTold = (kind, event) => {
      this.#changes.told(kind, event);
      this.#quiet.news();
    };
    clock.settleWith(() => this.#quiet.wait(() => this.#unsettled()));
  }

  get requests(): RequestLog {
    return this.#front.requests;
  }

  get handler(): WireHandler {
    return this.#front.handler;
  }

  // ---- for tests

  get(resource: string, name: string, namespace?: string): KubeObject | undefined {
    this.#refresh(mirrored(resource));
    return this.#mirror.get(resource, name, namespace);
  }

  list(resource: string, namespace?: string): KubeObject[] {
    this.#refresh(mirrored(resource));
    const all = this.#mirror.list(resource);
    return namespace === undefined ? all : all.filter(({ metadata }) => metadata.namespace === namespace);
  }

  put(object: JsonObject): KubeObject {
    this.#refuseWhenOver();
    const kind = [DEFINITIONS, ...MIRRORED].find(
      ({ apiVersion, kind: name }) => apiVersion === object.apiVersion && name === object.kind,
    );
    if (kind === undefined) throw new Error(`no kind ${textOr(object.kind)} in ${textOr(object.apiVersion)}`);
    return kind === DEFINITIONS
      ? this.#plane.definition(object, () => this.#put(kind, object))
      : this.#put(kind, object);
  }

  #put(kind: KindPath, object: JsonObject): KubeObject {
    const meta = objectOr(object.metadata);
    const name = textOr(meta.name);
    const namespace = kind.namespaced ? textOr(meta.namespace, 'default') : undefined;
    const collection = pathOf(kind, namespace);
    const path = `${collection}/${name}`;
    const old = kind === DEFINITIONS ? this.#read(path) : this.get(kind.resource, name, namespace);
    const over = (resourceVersion: string): JsonObject => ({
      ...object,
      metadata: { ...meta, resourceVersion },
    });
    const stored =
      old === undefined
        ? this.#write(kind, 'POST', collection, object)
        : // what a test has read before is the precondition that it is for everyone
          this.#write(kind, 'PUT', path, over(textOr(meta.resourceVersion) || old.metadata.resourceVersion));
    if (!HAS_STATUS.has(kind.resource) || object.status === undefined) return stored;
    return this.#write(kind, 'PUT', `${path}/status`, over(stored.metadata.resourceVersion));
  }

  delete(resource: string, name: string, namespace?: string): void {
    this.#refuseWhenOver();
    const kind = mirrored(resource);
    const old = this.get(resource, name, namespace);
    const answer = this.#plane.now('DELETE', `${pathOf(kind, namespace)}/${name}`);
    this.#written = true;
    this.#changes.deleted(kind, parseObject(accepted(answer)), old);
  }

  #write(kind: KindPath, method: Parcel['method'], path: string, body: JsonObject): KubeObject {
    const stored = parseObject(accepted(this.#plane.now(method, `${path}?${MANNER}`, body)));
    this.#changes.learn(kind, stored);
    this.#written = true;
    return stored;
  }

  #read(path: string): KubeObject | undefined {
    const answer = this.#plane.now('GET', path);
    return answer.status === 404 ? undefined : parseObject(accepted(answer));
  }

  #refresh(kind: KindPath): void {
    if (this.#closed) return;
    for (const { namespace, name } of this.#changes.takeUnread(kind.resource)) {
      const read = this.#read(`${pathOf(kind, namespace)}/${name}`);
      if (read !== undefined) this.#changes.learn(kind, read);
    }
  }

  #refuseWhenOver(): void {
    if (this.#closed) throw new Error('this world is over: a newer one has the cluster');
  }

  inject(match: (call: Call) => boolean, fault: Fault, times = 1): Injection {
    return this.#front.inject(match, fault, times);
  }

  /** Told when the change becomes known here: by the answer to a write, before that is passed on, or by a watch. */
  listen(listener: (change: Change) => void): () => void {
    return this.#changes.listen(listener);
  }

  dropWatches(how: 'end' | 'reset' = 'end'): void {
    this.#watches.end(how);
  }

  stallWatches(): void {
    this.#watches.stall();
  }

  openWatches(): number {
    return this.#watches.open;
  }

  compact(): void {
    this.#watches.forget();
  }

  /** Nothing of this world reaches the server any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watches.close();
    this.#mirror = this.#mirror.copy();
  }

  // ---- the API

  async #answer(call: Call, request: WireRequest): Promise<WireResponse> {
    if (this.#closed) return NO_ANSWER;
    this.#underWay++;
    try {
      if (call.verb === 'watch') return await this.#watches.begin(mirrored(call.resource), call, request);
      const delivered = await this.#plane.courier.send(parcelOf(request));
      if (this.#closed) return NO_ANSWER;
      this.#heard(call, delivered);
      if (this.#written) await this.#toldOfTests();
      return { status: delivered.status, headers: passedOn(delivered), body: delivered.body };
    } finally {
      this.#underWay--;
      this.#quiet.news();
    }
  }

  /** What a test wrote in the midst of a request is told before its answer, as in the sandbox: left alone it is a race. */
  async #toldOfTests(): Promise<void> {
    this.#written = false;
    await this.#quiet.wait(() => (this.#closed ? undefined : this.#watches.behind));
  }

  /** What the answer to the operator tells. */
  #heard(call: Call, { status, body }: Delivered): void {
    if (isFailure(status)) this.#quiet.fail(`${call.verb} ${call.path} failed: ${status} ${body}`);
    if (!WRITES.has(call.verb) || call.dryRun || status < 200 || status >= 300) return;
    const kind = MIRRORED.find(({ resource }) => resource === call.resource);
    if (kind === undefined) return;
    const object = parseObject(body);
    if (call.verb !== 'delete') this.#changes.learn(kind, object);
    else this.#changes.deleted(kind, object, this.#mirror.get(kind.resource, call.name, call.namespace));
  }

  /** What is still to come before time may move; undefined when nothing. */
  #unsettled(): string | undefined {
    if (this.#closed) return undefined;
    if (this.#underWay > 0) return `${this.#underWay} requests under way`;
    return this.#watches.behind ?? this.#changes.pending;
  }
}

function mirrored(resource: string): KindPath {
  const kind = MIRRORED.find(each => each.resource === resource);
  if (kind === undefined) throw new Error(`no resource ${resource}`);
  return kind;
}
