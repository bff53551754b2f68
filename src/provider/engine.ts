import manifest from '../../package.json' with { type: 'json' };
import { readAnswer } from './answer.ts';
import { compileProvider } from './compile.ts';
import { flowPlan, type StepPlan } from './plan.ts';
import { filling } from './problems.ts';
import { checkData, renderData } from './render.ts';
import { fillRequest } from './request.ts';
import { resolveAccount } from './resolve.ts';
import type { Account, Engine, Inputs, ProviderRequest, Result } from './types.ts';
import { checkInputs, type Value } from './values.ts';

/** Definitions in, requests out; answers in, grants out. Pure: it knows no socket, no clock and no cluster. */
export function createEngine(): Engine {
  const userAgent = `tokensync/${manifest.version}`;
  return {
    compile: (name, spec) => compileProvider(name, spec, userAgent),
    resolve: resolveAccount,
    fillLogin: (account, inputs) => fillStep(account, 'login', inputs, undefined),
    fillRefresh: (account, inputs, refreshToken) => fillStep(account, 'refresh', inputs, refreshToken),
    read: (account, step, answer, nowMs) => {
      const plan = stepOf(account, step).response;
      const { needed } = flowPlan(account.flow);
      return readAnswer({ step, plan, url: account.baseUrl, needed }, answer, nowMs);
    },
    render: renderData,
    checkTemplates: checkData,
  };
}

function stepOf(account: Account, step: 'login' | 'refresh'): StepPlan {
  const { login, refresh } = flowPlan(account.flow);
  if (step === 'login') return login;
  if (refresh === undefined) throw new Error('this flow has no refresh step');
  return refresh;
}

function fillStep(
  account: Account,
  step: 'login' | 'refresh',
  inputs: Inputs,
  refreshToken: string | undefined,
): Result<ProviderRequest> {
  const problem = checkInputs(account.flow.inputs, inputs);
  if (problem !== undefined) return { ok: false, problem };
  const values = new Map<string, Value>();
  for (const name of account.flow.inputs) values.set(`input.${name}`, inputs[name] ?? '');
  for (const [name, value] of Object.entries(account.parameters)) values.set(`param.${name}`, value);
  if (refreshToken !== undefined) values.set('session.refreshToken', refreshToken);
  return filling(() => fillRequest(step, account, stepOf(account, step).request, values));
}
