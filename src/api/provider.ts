import { z } from 'zod';
import { Condition, ObjectMeta } from './meta.ts';
import {
  asSet,
  byName,
  cel,
  dnsLabel,
  duration,
  EXCHANGE_DEADLINE,
  HEADER_NAME,
  identifier,
  identifierKeys,
  keysMatch,
  nonEmpty,
  type Rule,
  rules,
  template,
  text,
} from './schema.ts';

/** `ClusterTokenProvider`: a login API as data. What each field does is in its description, which `kubectl explain` shows. */

const templates = (max: number, ...keys: Rule[]) =>
  z.record(z.string(), template()).meta({ maxProperties: max, ...(keys.length > 0 ? rules(...keys) : {}) });

const headerNames = [
  keysMatch(HEADER_NAME, 'names of headers consist of letters, digits and dashes'),
  {
    rule: "self.all(k, !k.matches('^(?i:host|content-length|transfer-encoding|connection|upgrade|expect|te|trailer|keep-alive|proxy-.*)$'))",
    message:
      'host, content-length and the headers of the connection itself follow from the request: leave them out',
  },
];

/** Keys that every target has by default, so that no output may take them. */
const DEFAULT_KEYS = ['token', 'token_type', 'header_name', 'header_value', 'expires_at'];

export const Parameter = z.object({
  name: identifier().describe('Name, as in $(param.NAME).'),
  type: z
    .enum(['string', 'integer', 'boolean'])
    .default('string')
    .describe("How the credential's text is read: string, integer or boolean."),
  required: z.boolean().default(false).describe('Whether every credential must fill it in.'),
  pattern: nonEmpty(253)
    .optional()
    .describe('RE2 pattern that the whole value must match. Needed where the parameter stands in a host.'),
  description: text(1024).optional().describe('What it is, for the author of a credential.'),
});

export const Environment = z.object({
  name: dnsLabel().describe('Name that a credential chooses by spec.environment.'),
  baseUrl: nonEmpty(1024)
    .meta(
      rules({
        rule: "self.matches('^[^ ?#@]+$')",
        message: 'baseUrl is scheme, host, port and path alone: no query, fragment, user name or space',
      }),
    )
    .describe(
      "Scheme, host, optional port and optional path that the flows' paths are appended to. May hold required parameters that have a pattern.",
    ),
  unavailable: nonEmpty(1024)
    .optional()
    .describe('Why nothing may be sent here. A credential that chooses it is told so.'),
});

export const Request = z
  .object({
    method: z.enum(['POST', 'GET', 'PUT', 'PATCH']).default('POST').describe('HTTP method.'),
    path: nonEmpty(1024)
      .regex(/^\//)
      .meta(
        rules({
          rule: "self.matches('^/[^?#]*$')",
          message: 'path starts with / and holds neither ? nor #: query parameters go to query',
        }),
      )
      .describe('Appended to baseUrl as it is, a trailing slash included. Placeholders are percent-encoded.'),
    query: templates(32).optional().describe('Query parameters; values are templates.'),
    headers: templates(32, ...headerNames)
      .optional()
      .describe('Request headers; values are templates.'),
    json: z
      .json()
      .meta({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true, maxProperties: 64 })
      .optional()
      .describe(
        "JSON body. Strings in it are templates; one that is a single placeholder takes the parameter's type and is left out when the parameter is absent. A null outlives only a server-side apply.",
      ),
    form: templates(64).optional().describe('application/x-www-form-urlencoded body; values are templates.'),
    basicAuth: z
      .object({
        username: template().describe('User name; a template.'),
        password: template().describe('Password; a template.'),
      })
      .optional()
      .describe('HTTP Basic authentication.'),
  })
  .meta(
    rules(
      {
        rule: '!(has(self.json) && has(self.form))',
        message: 'json and form exclude each other: set one body',
      },
      {
        rule: "self.method != 'GET' || !(has(self.json) || has(self.form))",
        message: 'a GET request has no body: remove json or form, or use POST',
      },
    ),
  );

export const Response = z
  .object({
    format: z
      .enum(['json', 'form', 'text'])
      .default('json')
      .describe('How the body is read: json, form (a map of strings) or text (a string).'),
    token: cel().describe('CEL: the token, a string. Variables: status, headers, body, now.'),
    tokenType: cel().optional().describe('CEL: the token type, as in "Bearer".'),
    refreshToken: cel().optional().describe('CEL: the refresh token. An absent key means that none came.'),
    expiresIn: cel().optional().describe('CEL: seconds to live; a number, or a string of one.'),
    expiresAt: cel()
      .optional()
      .describe('CEL: when it expires: seconds since 1970, an RFC 3339 string or a timestamp.'),
    lifetime: duration()
      .optional()
      .describe(
        "How long it lives when neither the answer nor the token (a JWT's exp) says so. With expiresIn or expiresAt, and without this, such an answer is Unusable.",
      ),
    success: cel()
      .optional()
      .describe('CEL: must be true, besides a 2xx status. An absent key makes it false.'),
    rejected: cel()
      .optional()
      .describe('CEL: the provider says that these credentials are wrong. Default: status == 401.'),
    throttled: cel().optional().describe('CEL: the provider asks to wait. Besides status 429.'),
    retryAfter: cel().optional().describe('CEL: seconds to wait. Besides the Retry-After header.'),
    outputs: z
      .record(z.string(), cel())
      .meta({
        maxProperties: 16,
        ...rules(identifierKeys('names of outputs'), {
          rule: `self.all(k, !(k in ['${DEFAULT_KEYS.join("', '")}']))`,
          message: `the Secret has ${DEFAULT_KEYS.join(', ')} of its own: choose other names for outputs`,
        }),
      })
      .optional()
      .describe('What else pods need: a key in the Secret for each, with the CEL that reads it.'),
  })
  .meta(
    rules({
      rule: '!(has(self.expiresIn) && has(self.expiresAt))',
      message: 'expiresIn and expiresAt exclude each other: keep the one that the provider documents',
    }),
  );

const step = {
  request: Request.describe('What is sent.'),
  response: Response.describe('How the answer is read.'),
};

export const Login = z.object({
  maxRejections: z
    .int()
    .min(1)
    .max(10)
    .default(3)
    .describe('How often inputs that never worked may be refused before only a person can help.'),
  ...step,
});
export const Refresh = z.object(step);

export const Flow = z
  .object({
    name: dnsLabel().describe('Name that a credential chooses by spec.flow.'),
    inputs: z
      .array(identifier())
      .min(1)
      .max(16)
      .meta(asSet)
      .describe('Keys that the source Secret must have, as in $(input.NAME).'),
    login: Login.describe('How a token is obtained from the inputs.'),
    refresh: Refresh.optional().describe('How a token is obtained from $(session.refreshToken).'),
    usage: z
      .object({
        header: nonEmpty(128)
          .regex(new RegExp(HEADER_NAME))
          .default('Authorization')
          .describe('Header name.'),
        value: template()
          .default('Bearer $(token)')
          .describe('Header value; may hold $(token) and $(tokenType).'),
      })
      .default({ header: 'Authorization', value: 'Bearer $(token)' })
      .describe('How callers present the token; becomes header_name and header_value in the Secret.'),
  })
  .meta(
    rules({
      rule: '!has(self.refresh) || has(self.login.response.refreshToken)',
      message: 'refresh needs login.response.refreshToken: without it there is nothing to refresh with',
    }),
  );

export const ProviderSpec = z
  .object({
    documentation: text(2048).optional().describe('Where the facts of this definition come from.'),
    allowedNamespaces: z
      .object({
        from: z
          .enum(['All', 'Selector'])
          .default('All')
          .describe('All namespaces, or those that selector matches.'),
        selector: z
          .object({
            matchLabels: z
              .record(z.string(), text(63))
              .meta({ minProperties: 1, maxProperties: 16 })
              .describe('Labels that a namespace must have.'),
          })
          .optional()
          .describe('Which namespaces, where from is Selector.'),
      })
      .meta(
        rules(
          {
            rule: "self.from != 'Selector' || has(self.selector)",
            message: 'from: Selector needs a selector with matchLabels',
          },
          {
            rule: "self.from == 'Selector' || !has(self.selector)",
            message:
              'selector has no effect with from: All, which lets every namespace in: set from: Selector',
          },
        ),
      )
      .default({ from: 'All' })
      .describe('Namespaces whose credentials may use this provider.'),
    parameters: z
      .array(Parameter)
      .max(32)
      .meta(byName)
      .default([])
      .describe('What a credential fills in by spec.parameters. Not secret: it shows in status and metrics.'),
    defaultEnvironment: dnsLabel().optional().describe('Needed when there is more than one environment.'),
    environments: z.array(Environment).min(1).max(16).meta(byName).describe('Where the provider answers.'),
    network: z
      .object({
        allowCIDRs: z
          .array(
            nonEmpty(64).meta(
              rules({
                rule: "self.matches('^([0-9]{1,3}([.][0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)/[0-9]{1,3}$')",
                message: 'a CIDR is wanted, such as 10.2.0.0/16 or 2001:db8::/32',
              }),
            ),
          )
          .max(64)
          .meta(asSet)
          .default([])
          .describe(
            'Addresses that are reachable besides public ones. Loopback, link-local and metadata addresses need an entry of their own within their range.',
          ),
        allowHTTP: z.boolean().default(false).describe('Whether plain http is allowed. For tests.'),
        caBundle: text(262_144)
          .meta(
            rules({
              rule: "self.contains('-----BEGIN CERTIFICATE-----')",
              message: 'caBundle is one or more certificates in PEM form, not encoded again',
            }),
          )
          .optional()
          .describe("PEM certificates to trust besides the system's."),
      })
      .default({ allowCIDRs: [], allowHTTP: false })
      .describe('What the guard lets through besides https to public addresses.'),
    limits: z
      .object({
        concurrency: z
          .int()
          .min(1)
          .max(256)
          .default(4)
          .describe('Requests in flight at once, for each origin.'),
        requestsPerMinute: z
          .int()
          .min(1)
          .max(60_000)
          .optional()
          .describe('Requests in a minute, for each origin. Absent: no limit.'),
        timeout: duration()
          .meta(
            rules({
              rule: EXCHANGE_DEADLINE,
              message: 'timeout is a duration from 100ms to 5m, such as 10s',
            }),
          )
          .default('10s')
          .describe('Deadline of a whole exchange, 100ms to 5m.'),
      })
      .default({ concurrency: 4, timeout: '10s' })
      .describe('What the provider bears.'),
    defaultFlow: dnsLabel().optional().describe('Needed when there is more than one flow.'),
    flows: z.array(Flow).min(1).max(16).meta(byName).describe('Ways to obtain a token.'),
  })
  .meta(
    rules(
      {
        rule: 'size(self.environments) == 1 || has(self.defaultEnvironment)',
        message: 'defaultEnvironment is needed when there is more than one environment',
        fieldPath: '.defaultEnvironment',
      },
      {
        rule: '!has(self.defaultEnvironment) || self.environments.exists(e, e.name == self.defaultEnvironment)',
        message: 'defaultEnvironment must name one of environments',
        fieldPath: '.defaultEnvironment',
      },
      {
        rule: 'size(self.flows) == 1 || has(self.defaultFlow)',
        message: 'defaultFlow is needed when there is more than one flow',
        fieldPath: '.defaultFlow',
      },
      {
        rule: '!has(self.defaultFlow) || self.flows.exists(f, f.name == self.defaultFlow)',
        message: 'defaultFlow must name one of flows',
        fieldPath: '.defaultFlow',
      },
    ),
  );

export const ProviderStatus = z.object({
  observedGeneration: z.int().optional().describe('The generation that conditions speak of.'),
  conditions: z
    .array(Condition)
    .max(8)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
    .default([])
    .describe(
      'Accepted: the definition can work. Saturated: its credentials need more than its limits allow.',
    ),
});

export const ClusterTokenProvider = z
  .object({
    apiVersion: z.string().optional(),
    kind: z.string().optional(),
    metadata: ObjectMeta,
    spec: ProviderSpec.describe('The login API.'),
    status: ProviderStatus.optional().describe('What is the case; written by tokensync alone.'),
  })
  .describe('A login API as data: where it answers, what is sent, and how the answer is read.');

export type ClusterTokenProvider = z.infer<typeof ClusterTokenProvider>;
export type ProviderSpec = z.infer<typeof ProviderSpec>;
export type ProviderStatus = z.infer<typeof ProviderStatus>;
export type FlowSpec = z.infer<typeof Flow>;
export type RequestSpec = z.infer<typeof Request>;
export type ResponseSpec = z.infer<typeof Response>;
export type ParameterSpec = z.infer<typeof Parameter>;
