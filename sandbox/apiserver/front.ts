import type { Clock } from '../../src/loop/clock.ts';
import type { WireHandler, WireRequest, WireResponse } from '../wire.ts';
import { ApiError } from './errors.ts';
import { type Call, type Fault, Faults, type Injection, RequestLog } from './faults.ts';
import { refusal } from './responses.ts';
import { readCall } from './routes.ts';

type Answer = WireResponse | Promise<WireResponse>;

/** What stands before whoever answers: the faults that tests ask for, the log of requests, and the date by the sandbox's clock. */
export class Front {
  readonly requests = new RequestLog();
  private readonly clock: Clock;
  private readonly answer: (call: Call, request: WireRequest) => Answer;
  private readonly faults = new Faults();

  constructor(clock: Clock, answer: (call: Call, request: WireRequest) => Answer) {
    this.clock = clock;
    this.answer = answer;
  }

  inject(match: (call: Call) => boolean, fault: Fault, times = 1): Injection {
    return this.faults.inject(match, fault, times);
  }

  readonly handler: WireHandler = request => {
    const call = readCall(request);
    const fault = this.faults.take(call);
    if (typeof fault === 'object' && 'delayMs' in fault) {
      return new Promise(resolve => {
        this.clock.after(fault.delayMs, () => resolve(this.logged(call, this.answer(call, request))));
      });
    }
    return this.logged(call, this.answerWith(fault, call, request));
  };

  private logged(call: Call, answer: Answer): Answer {
    return then(answer, response => this.log(call, response));
  }

  private log(call: Call, response: WireResponse): WireResponse {
    const at = this.clock.wall();
    const status = response.fault === undefined ? response.status : 0;
    this.requests.add({ ...call, status, at });
    return { ...response, headers: { ...response.headers, date: this.date(at) } };
  }

  private lastDate = { second: -1, text: '' };
  private date(wall: number): string {
    const second = Math.floor(wall / 1000);
    if (second !== this.lastDate.second) this.lastDate = { second, text: new Date(wall).toUTCString() };
    return this.lastDate.text;
  }

  private answerWith(
    fault: Exclude<Fault, { delayMs: number }> | undefined,
    call: Call,
    request: WireRequest,
  ): Answer {
    if (fault === undefined) return this.answer(call, request);
    if (typeof fault === 'string') return { status: 0, fault };
    if ('afterCommit' in fault) {
      return then(this.answer(call, request), () => ({ status: 0, fault: fault.afterCommit }));
    }
    const { status, reason, message = 'injected', retryAfter } = fault;
    const details = { name: call.name, group: call.group, kind: call.resource };
    const error = new ApiError(
      status,
      reason,
      message,
      retryAfter === undefined ? details : { ...details, retryAfterSeconds: retryAfter },
    );
    const response = refusal(error);
    return retryAfter === undefined
      ? response
      : { ...response, headers: { ...response.headers, 'retry-after': String(retryAfter) } };
  }
}

/** At once where the answer is there: a client in the same process must not hear of it any later. */
function then(answer: Answer, step: (response: WireResponse) => WireResponse): Answer {
  return answer instanceof Promise ? answer.then(step) : step(answer);
}
