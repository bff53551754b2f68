import type { Clock, Random } from '../../src/loop/clock.ts';
import { type Route, routes } from '../routes.ts';
import type { WireHandler } from '../wire.ts';
import { Admintotal, type AdmintotalOptions } from './admintotal.ts';
import { Firmeasy, type FirmeasyOptions } from './firmeasy.ts';
import { RequestLog } from './log.ts';
import { Pgf, type PgfOptions } from './pgf.ts';
import { Sendfact, type SendfactOptions } from './sendfact.ts';
import type { SimulatedProvider } from './simulated.ts';
import { Ventiapp, type VentiappOptions } from './ventiapp.ts';

export interface ProvidersOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly admintotal?: AdmintotalOptions;
  readonly ventiapp?: VentiappOptions;
  readonly sendfact?: SendfactOptions;
  readonly firmeasy?: FirmeasyOptions;
  readonly pgf?: PgfOptions;
}

export interface Providers {
  readonly admintotal: Admintotal;
  readonly ventiapp: Ventiapp;
  readonly sendfact: Sendfact;
  readonly firmeasy: Firmeasy;
  readonly pgf: Pgf;
  readonly all: readonly SimulatedProvider[];
  /** What all were asked, in order. */
  readonly log: RequestLog;
  /** By origin, for a `WireDispatcher`. */
  readonly route: Route;
  /** All behind one server, told apart by host, for `serve`. */
  readonly handler: WireHandler;
  /** For a certificate; one begins with `*.`. */
  readonly hosts: readonly string[];
  isLive(token: string): boolean;
  /** Every token that is still remembered, refresh tokens included, to search outputs for. */
  issued(): Iterable<string>;
}

/** The five public login APIs that ship as definitions, simulated. */
export function createProviders(options: ProvidersOptions): Providers {
  const log = new RequestLog();
  const around = { clock: options.clock, random: options.random, log };
  const admintotal = new Admintotal(around, options.admintotal);
  const ventiapp = new Ventiapp(around, options.ventiapp);
  const sendfact = new Sendfact(around, options.sendfact);
  const firmeasy = new Firmeasy(around, options.firmeasy);
  const pgf = new Pgf(around, options.pgf);
  const all = [admintotal, ventiapp, sendfact, firmeasy, pgf];
  const origins = Object.assign({}, ...all.map(provider => provider.origins)) as Record<string, WireHandler>;
  const route = routes(origins);
  return {
    admintotal,
    ventiapp,
    sendfact,
    firmeasy,
    pgf,
    all,
    log,
    route,
    handler: request =>
      route(`https://${request.url.hostname}`)?.(request) ?? { status: 421, body: 'no such host here' },
    hosts: Object.keys(origins).map(origin => origin.slice('https://'.length)),
    isLive: token => all.some(provider => provider.tokens.isLive(token)),
    issued: function* () {
      for (const provider of all) yield* provider.tokens.remembered();
    },
  };
}
