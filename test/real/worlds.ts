import { inject } from 'vitest';
import { serveWorldsWith } from '../../sandbox/world.ts';
import { accessOf, Plane } from './apiserver/plane.ts';
import { RealApiServer } from './apiserver/server.ts';

/** For every test file: worlds have the real API server, one after another. */

const plane = await Plane.shared(accessOf(inject('controlPlane')));
serveWorldsWith(({ clock }) => RealApiServer.begin(plane, clock));
