import type { Machine, Report } from './report.ts';
import { type Row, verdict } from './row.ts';
import { asMarkdown } from './table.ts';

/** The page that users read, made of the figures. Pure. */

export const PAGE = 'docs/performance.md';
export const RESULTS = 'bench/results.json';

const TITLES: Readonly<Record<string, { title: string; text: string }>> = {
  refresh: {
    title: 'A refresh, beside the floor',
    text: `The floor is a script of some hundred lines (\`bench/floor.ts\`) that does with bare pooled undici what one refresh must: ask the provider,
apply the Secret, patch the status, and save a rotated refresh token where there is one. It decides nothing, checks nothing, remembers nothing,
and watches nothing. Operator and floor take turns in one run, at the same API server and provider, each with as many credentials, all due at
once, and 32 at a time; each has its turn after some seconds in which nobody works. All figures are for one refresh. Processor time is user and system time of the whole process; of the API server, above
what it uses when nobody asks. A ratio is taken of each pair of turns; the figure is the median of the rounds.`,
  },
  first: {
    title: 'First tokens, beside the floor',
    text: `From exec of the operator until all are Ready, and from exec of the floor until its last answer. The floor reads the login's Secret, rehearses
the write, counts the login, asks the provider, applies the Secret and patches the status: what a first login must, since nothing may be sent that
could not be written, and a login that may be refused is counted before it is sent. Beside it a script that does none of the three, and would lock an account at its third crash.`,
  },
  start: {
    title: 'The start',
    text: `From exec until the target Secret is there: lists, lease, login, writes. RSS is read when ten credentials are Ready and nothing was due for
ten seconds.`,
  },
  memory: {
    title: 'Flags for memory',
    text: 'The same work under each: first tokens of as many credentials, then rest. What helps little is listed too.',
  },
  steady: {
    title: 'A load that goes on',
    text: `12,500 credentials with tokens of 120 s, each renewed after 25 s, since a mounted Secret needs the other 95 (\`--propagation-margin\`): 500
refreshes a second, at twelve origins, with flags and schedule as they are by default. Meanwhile a new credential is made each second. What is
told is read from the journals of the sandbox's API server and provider, and not from the operator: a Secret held an expired token from the
end of one to the writing of the next; a renewal is late by the time from when it was planned, which follows from what its Secret tells of the
token, to when the provider was asked; a new token is counted from the making of its credential, less what the provider took. Operator, API
server and provider share the machine.`,
  },
  storm: {
    title: 'After an outage',
    text: `3,000 credentials at five origins of 3,000 requests a minute each, all due when it ends, and 50 new ones that were made meanwhile. Tokens of
120 s are renewed after 25 s: an outage of one minute does to them what one of ten minutes does to tokens of 20 minutes. That a provider answers
again is found out by one that probes, after at most five minutes and about as long as it was away, by design. Ten minutes of each outage are
also passed in \`test/operator/storm.test.ts\`, on a virtual clock.`,
  },
  scale: {
    title: 'Many credentials in one process',
    text: `A first start, which gets every token, and a restart, which finds them all live; on the sandbox's API server, in a process of its own.
Tokens live for a day, so that nothing falls due. Each credential has a login and a Secret of its own for it, and one to write. At rest is
half a minute after the last became Ready. Above 5,000 credentials a restart reads no Secret before it is due or changed: status holds the
versions of the Secrets that the token came from and stands in, and where the watch shows the same ones, they are as they were left. All that
is kept of a credential that was not looked at for long is bytes outside of V8's heap (\`docs/decisions/0011-bytes-outside-the-heap.md\`).
Operator and API server share the machine: a list is served as fast as it is read.`,
  },
  growth: {
    title: 'Growth',
    text: `What one more costs among a thousand and among a hundred thousand. The exponent is that of a power law, fitted by least squares on
logarithms: 0 is flat, 1 would be in proportion. Watch event, queue operation, timer and metric are measured alone, in a process of their own;
of the refreshes, some credentials are asked to, and the others are suspended. The 500 credentials looked at last are kept unpacked, so that
in the smallest population nothing is packed.`,
  },
  shards: {
    title: 'Shards',
    text: `What a replica receives and holds that has a quarter of all credentials, beside one that has them all: on a real kube-apiserver, with the
feature gate \`ShardedListAndWatch\` and without it. All tokens are live, so that a start is lists and no logins. Received is what the process has
read until it works, less what one reads that has nothing to serve: program, lease, definitions. Of Secrets each replica receives the metadata
of all: their UIDs have nothing to do with their credentials'. So the list of credentials is told alone as well, as each replica asks for it. Of
replicas that begin at once one may take a shard after its first list, and then it lists again.`,
  },
  scrape: {
    title: 'A scrape of the metrics',
    text: 'With series for each credential; without them a scrape costs next to nothing.',
  },
};

export function page(report: Report): string {
  const parts = Object.entries(report).map(([name, { on, rows }]) => {
    const { title, text } = TITLES[name] ?? { title: name, text: '' };
    return `## ${title}\n\n${text}\n\n${asMarkdown(rows)}\n${machine(on)}\n`;
  });
  return `<!-- Made by npm run bench -- --write. -->
# Performance

Measured by \`npm run bench\`, which anyone can run; \`npm run bench -- --help\` says how. Figures are processor time where they can be: it says more
of a program than the time on the wall of a machine that others use too. Each table begins with ratios, then come goals.

${missed(Object.values(report).flatMap(({ rows }) => rows))}${unmeasured(report)}

## The hot path

A refresh is one request to the provider and two writes: a server-side apply of the Secret and a merge patch of the status; three with a refresh
token that rotates. Nothing is read for it: what a decision rests on is in memory from the watches. The answers to writes are asked for as metadata
alone, so that the API server sends no Secret back. The status patch holds only what differs. Connections to the API server are pooled, 16 of them,
and kept for 20 s; those to a provider for 4 s, since a login that is sent on a stale connection may be lost.

Where the time goes, and what is done about it:

- *What comes back.* Each write comes back as an event of the watch, some 3 kB of JSON. Its version stands in the line and was told by the answer to
  the write: where both are the same, and the line has that key but once, it is not parsed. An event mostly comes beside the answer, so what a watch
  brought is read a turn of the loop later: before, half of the echoes were parsed since they were read first. Of the answer to a status write only
  the version is read. \`managedFields\`, half of most objects, are cut out of the text before it is parsed.
- *Requests.* Undici's \`dispatch\` with a handler of our own takes 40 µs where \`request\` takes 70: no stream, no signal, no promise of its own. Headers
  and paths are made once. All that wait for one signal share one listener.
- *Connections.* Undici takes the next request on a connection only a turn of the loop after its last answer. So a place at a provider that comes free
  is given on a turn later: whoever came sooner opened another connection (35 to 63 for 32 places, in three runs), at about a millisecond of processor time each.
- *What is at hand.* The Secrets of the 500 credentials looked at last are kept as objects, as the credentials are: with room for 500 Secrets alone
  each refresh packed one and unpacked two. At rest they are packed too. Among more than 500 each refresh unpacks three, packs two and plans anew: 1.46 ms
  where 1.10 was enough (1,000 and 450 credentials, six rounds each): that is what the small memory costs.
- *Digests.* An HMAC is two hashes in one go each; node:crypto's own makes a stream of each, at several times the price.
- *Metadata* are read by hand; schemas read what people write.
- *Status.* The condition Ready does not repeat the expiry that stands beside it, so that a renewal writes times and no conditions.

Our own steps are thin when each is run by itself, often enough: all metrics of a refresh take 4 µs, its log line and its digest 3 µs each, a
deadline 0.4 µs. In their place, once for each refresh among some 400 functions, they take several times as much. What a refresh takes more than
the floor is spread over all of it. By kind of code, µs for one refresh, from 4,000 after the first 8,000, on the sandbox's API server:

| | floor | ours |
| --- | ---: | ---: |
| kernel | 44 | 55 |
| TLS | 33 | 33 |
| Node, malloc, the parser of HTTP | 86 | 122 |
| JavaScript that V8 has compiled | 43 | 104 |
| V8's built-ins: properties, calls, maps, promises | 45 | 124 |
| V8's runtime and JSON | 33 | 95 |
| garbage collection, on the main thread | 8 | 16 |
| garbage collection, on V8's threads | 13 | 60 |
| compilation, on V8's threads | 7 | 61 |

Of our own code's time sixty functions take 70 %, and the one that takes most, which encodes bodies, 6 %. A refresh looks up a credential or a Secret 20
times and parses 12 dates: some 10 and 5 µs.

What was tried and gave little: finding the version of an event in its bytes, without making a text of them (1.6 µs where the text takes 1.4);
an HTTP client of our own on bare sockets (25 µs a request where \`dispatch\` takes 40: not worth a parser of our own);
HTTP/2 to the API server (1.2 to 1.6 times our processor time, over two connections or one, for 5 to 8 % less of the API server's: five noisy rounds);
letting input gather, by a pause of 2 or 6 ms after each turn of the event loop that had some (on a real API
server a refresh took 0.88 and 0.81 of the processor time that it took without, ten rounds; but a thousand first tokens took 9 and 30 % longer);
leaving what the watches bring unread (no less processor time on either side, eight rounds: echoes cost next to nothing);
leaving the Secret's metadata in the answer unread, and taking them for what we sent (an admission webhook may have changed them); counting
metrics in tables of our own and joining log lines as text (quicker, and not worth leaving prom-client and pino).

What the floor does not have, and an operator must: two watches, whose events the API server encodes and we decrypt; a decision; a digest over data and
record; a log line; metrics; limits. A token that has been due for more than five seconds costs one more write, of the count that outlives a crash:
that is what a refresh of 3.7 requests was, in a benchmark that let tokens wait.

What kube-apiserver takes more for a refresh of ours than for the floor's, 9.4 and 7.4 ms by its own profile of 4,000 each: 1.1 ms is the collection of
garbage, whose share changes from run to run, 0.5 the patch of the status, 0.25 the two watches, and 0.2 what the watches' cache decodes. Objects and
requests are alike.

V8 takes long to make all of this quick: on a real API server a refresh took 2.3 ms at first, some 1.5 after two thousand, 0.9 to 1.2 after seven
thousand and no less after fifteen thousand, where the floor, which is less code, went from 1.5 to 0.7 or 0.8 (three runs). A process that was stopped for
some seconds, as here between its turns, once took that for rest and began with a collection: a tenth of its time in this benchmark (twelve rounds).

A first token takes seven requests: the login's Secret is read, the write rehearsed, the login counted, sent, and its outcome written twice, and told
as an event. What is read need be no older than the watch told, so that the API server asks its cache and not etcd: 1 to 4 % of its processor time
(four rounds). Events trail, two at a time: without any the time of a thousand first tokens was 1.29 of the floor's instead of 1.35 (four rounds),
and one at a time saved nothing. Letting them wait until first tokens are there spared the API server 330 of a thousand writes meanwhile, and no time
that would stand out (eight rounds). V8's cache of compiled code saved 4 to 5 % (eight rounds), and 20 of 310 ms of a start with one credential: it would
have to be made on each platform that the image is for. Most of the rest is code that V8 has not made quick yet: compiling it all at once by the baseline compiler, or
counting its types from the first call on, changed nothing; without its second or last compiler it took a quarter more.

What keeps memory small costs time: a heap that may grow by 60 % only is collected more often (\`src/v8-flags.ts\`). The young generation may grow
to 16 MiB (with 4 a refresh took up to a quarter more processor time, in most runs and not in all), and is given back at rest. Without effect on a refresh: 32 MiB,
collecting in one thread, V8's pool of one thread or none (twelve rounds), no limit of growth, or one of 150 % (half as many whole collections,
and more of the young generation), optimizing WebAssembly, doing without V8's last compiler (four noisy rounds). Pieces of 32 KiB, which
V8's compilers work with, are mapped apart from malloc's heap: 3 to 6 MiB less (three runs with 1,000 credentials, one with 500). A loop over the
characters of each event's text cost 5 MiB of the mapped binary, presumably V8's compiler at work; a pattern that does the same costs none.

${parts.join('\n')}`;
}

/** What goals there are besides is told by the benchmarks that have not run. */
function unmeasured(report: Report): string {
  const names = Object.keys(TITLES).filter(name => !(name in report));
  return names.length === 0 ? '' : `\n\nNot on record yet, with their goals: ${names.join(', ')}.`;
}

function missed(rows: readonly Row[]): string {
  const goals = rows.filter(({ goal }) => goal !== undefined);
  const failed = goals.filter(row => verdict(row) === 'missed');
  return `Of ${goals.length} goals ${goals.length - failed.length} are met.${
    failed.length === 0 ? '' : ` Missed:\n\n${failed.map(({ what }) => `- ${what}`).join('\n')}`
  }`;
}

function machine({ date, processor, cores, memoryGiB, kernel, node, v8, tokensync }: Machine): string {
  return `Measured on ${date}: tokensync ${tokensync}, Node ${node} (V8 ${v8}), ${kernel}, ${cores} cores of ${processor}, ${memoryGiB} GiB.`;
}
