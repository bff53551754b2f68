import { LOG_KEYS, LOG_MESSAGES } from '../src/api/log.ts';
import { code, table } from './markdown.ts';

/** docs/logs.md: every key and message, from the types that log calls are checked against. */

export const LOGS_PATH = 'docs/logs.md';

const keys = table(
  ['Key', 'Meaning'],
  Object.entries(LOG_KEYS).map(([key, meaning]) => [code(key), meaning]),
);
const messages = table(
  ['Level', '`msg`', 'When'],
  Object.entries(LOG_MESSAGES).flatMap(([level, texts]) =>
    Object.entries(texts).map(([text, when]) => [level, text, when]),
  ),
);

export const logsPage = (): string => `<!-- Made by scripts/generate-docs.ts from src. Do not edit. -->
# Logs and events

## Logs

One JSON object a line on standard output: \`time\` (RFC 3339, UTC), \`level\`, \`msg\`, and keys of the table below. \`--log-level\` says what is
written, \`--log-format=pretty\` makes lines for people. No line holds a password, a token, or a piece of a provider's answer.

Each request to a provider is one line, \`token obtained\` or \`no token\`:

\`\`\`json
{"level":"info","time":"2026-05-04T10:00:00.213Z","credential":"shop/acme","attempt":"3f9c2a81d0","provider":"admintotal","flow":"jwt","environment":"production","grant":"Login","class":"Success","durationMs":212,"msg":"token obtained"}
{"level":"warn","time":"2026-05-04T10:20:00.102Z","credential":"shop/acme","attempt":"b07e55c1a9","provider":"admintotal","flow":"jwt","environment":"production","grant":"Login","class":"Rejected","durationMs":101,"reason":"Rejected","detail":"…","msg":"no token"}
\`\`\`

\`attempt\` leads from there to the object and back: \`status.lastAttemptId\` of the credential has that of its last request, and an event that
a request caused names it in its note.

\`\`\`sh
kubectl -n tokensync logs deploy/tokensync | jq -c 'select(.credential == "shop/acme" and .attempt)'
\`\`\`

### Keys

${keys}

### Messages

${messages}

Texts of messages may be worded better from one release to the next; keys stay. Alerts belong on [metrics](metrics.md).

## Events

\`kubectl get events\` and \`kubectl describe\` tell what changed. A token that is renewed in time is no event.

| Type | When |
| --- | --- |
| Normal | A credential gets ready, or its renewals work again after they failed; a provider's definition is accepted. |
| Warning | A credential is ready no longer, is stopped until a person helps, or a request failed; a definition is not accepted. |

The reason is that of the [condition](reference.md#reasons). What happens again about the same object within 45 minutes of the last time
is no new event: the first one's \`series.count\` grows, and is written at the second time, then at most every 10 minutes, and when
something else happens. Its note stays that of the first. Events are sent two at a time, so that a wave of them takes next to nothing from the writes of
tokens: they trail.
`;
