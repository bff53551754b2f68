import { expect, onTestFinished } from 'vitest';
import { WireDispatcher } from '../../sandbox/dispatcher.ts';
import { seeded } from '../../sandbox/random.ts';
import { routes } from '../../sandbox/routes.ts';
import { Collections } from '../../src/collections.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { fixedEndpoint } from '../../src/kube/endpoint.ts';
import { ServerTime } from '../../src/kube/server-time.ts';
import { Share } from '../../src/lead/share.ts';
import { createLog } from '../../src/observe/log.ts';
import { sandboxOnly } from '../support/sandbox-only.ts';
import { Sharded } from './sharded.ts';

/** What a replica keeps of a cluster in which others work as well. */

const SHARDS = 4;

async function kept(sharding: boolean) {
  const t = new Sharded({ shards: SHARDS, sharding, credentials: 20 });
  await t.replica();
  await t.pass(20);
  const { clock, api } = t.world;
  let told = new Set<string>();
  const answers = routes({
    'http://api.test': request => {
      const response = api.handler(request);
      if (response instanceof Promise || response.stream === undefined) return response;
      const { stream } = response;
      return {
        ...response,
        stream: sink =>
          stream({
            ...sink,
            write: chunk => {
              if (request.url.pathname.includes('providercredentials'))
                for (const name of t.names)
                  if (Buffer.from(chunk).includes(`"name":"${name}"`)) told.add(name);
              sink.write(chunk);
            },
            end: () => sink.end(),
            reset: () => sink.reset(),
          }),
      };
    },
  });
  const endpoint = fixedEndpoint('http://api.test', new WireDispatcher({ route: answers }));
  const client = new KubeClient({ endpoint, clock, serverTime: new ServerTime(clock) });
  const share = new Share(SHARDS);
  const collections = new Collections({
    client,
    clock,
    random: seeded('share'),
    log: createLog({ clock, level: 'error', format: 'json', write: () => {} }),
    watchNamespaces: [],
    share,
  });
  onTestFinished(async () => {
    await collections.stop();
    await endpoint.close();
  });
  const has = (): { credentials: string[]; whole: number; slim: number } => {
    const secrets = [...collections.secrets.values()].filter(({ metadata }) =>
      t.names.some(name => [`${name}-token`, `${name}.session`].includes(metadata.name)),
    );
    return {
      credentials: [...collections.credentials.values()].map(({ metadata }) => metadata.name).toSorted(),
      whole: secrets.filter(({ metadata }) => metadata.annotations !== undefined).length,
      slim: secrets.filter(({ elsewhere }) => elsewhere !== undefined).length,
    };
  };
  /** What should be kept: of each credential of these shards a target and a session whole, of the others their versions. */
  const expectKept = (shards: readonly number[]): void => {
    const credentials = t.names.filter(name => shards.includes(t.shardOf(name))).toSorted();
    expect(credentials.length).toBeGreaterThan(0);
    expect(has()).toEqual({
      credentials,
      whole: 2 * credentials.length,
      slim: 2 * (t.names.length - credentials.length),
    });
  };
  const settle = async (done: Promise<unknown>): Promise<void> => {
    await clock.advance(2000);
    await done;
  };
  return {
    t,
    share,
    collections,
    expectKept,
    settle,
    /** What the server told of since this was last asked. */
    told: () => {
      const names = [...told].toSorted();
      told = new Set();
      return names;
    },
  };
}

sandboxOnly('it listens to what the server says').each([true, false])(
  'its share, as it grows and shrinks; the server selects: %s',
  async sharding => {
    const { t, share, collections, expectKept, settle, told } = await kept(sharding);
    const of = (...shards: readonly number[]): string[] =>
      t.names.filter(name => shards.includes(t.shardOf(name))).toSorted();
    const selected = (...shards: readonly number[]): string[] => (sharding ? of(...shards) : of(0, 1, 2, 3));
    share.gain(1);
    share.begin();
    await settle(collections.start());
    expectKept([1]);
    expect(told()).toEqual(selected(1));

    share.gain(0);
    share.gain(3);
    share.begin();
    await settle(collections.relist());
    expectKept([0, 1, 3]);
    expect(told()).toEqual(selected(0, 1, 3));

    share.forget(1);
    const gone = collections.forget(1);
    expect(gone.toSorted()).toEqual(of(1).map(name => `team/${name}`));
    await settle(Promise.resolve());
    expectKept([0, 3]);

    // every token is renewed meanwhile
    told();
    await t.pass(200);
    expectKept([0, 3]);
    expect(told()).toEqual(selected(0, 3));
  },
);
