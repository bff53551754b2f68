import { describe, expect, it } from 'vitest';
import { fill, parseTemplate, type Scope } from '../../src/provider/template.ts';
import { like } from './engine-support.ts';

const scope = (names: string[], filters = true): Scope => ({
  names: new Map(names.map(name => [name, { optional: false }])),
  filters,
});

function render(text: string, filters = true): string | string[] {
  const problems: string[] = [];
  const template = parseTemplate(text, scope(['token', 'param.n'], filters), message =>
    problems.push(message),
  );
  if (problems.length > 0) return problems;
  return fill(template, name => (name === 'token' ? 'T&"é' : 5));
}

describe('templates', () => {
  it.each([
    ['', ''],
    ['plain', 'plain'],
    ['$(token)', 'T&"é'],
    ['a $(token) b $( param.n )', 'a T&"é b 5'],
    ['$', '$'],
    ['$ (token)', '$ (token)'],
    ['$5 and $$', '$5 and $$'],
    ['$$(token)', '$(token)'],
    ['$$$(param.n)', '$5'],
    ['$$$$(token)', '$$(token)'],
    ['$$(token) $(param.n)', '$(token) 5'],
    ['${token}', '${token}'],
    ['$(token | base64)', Buffer.from('T&"é').toString('base64')],
    ['$(token|json)', '"T&\\"é"'],
    ['$(param.n | json)', '5'],
    ['$(token | urlencode)', 'T%26%22%C3%A9'],
    ['$(token | json | base64)', Buffer.from('"T&\\"é"').toString('base64')],
  ])('%j gives %j', (text, expected) => {
    expect(render(text)).toBe(expected);
  });

  it.each([
    ['$(tokn)', /\$\(tokn\) is unknown here: \$\(token\), \$\(param.n\)/],
    ['$()', /unknown/],
    ['$(constructor)', /unknown/],
    ['$(__proto__)', /unknown/],
    ['$(param.constructor)', /unknown/],
    ['$(token', /not closed/],
    ['$(token | rot13)', /filter "rot13".*base64, json, urlencode/],
    ['$(token | toString)', /filter "toString"/],
  ])('%j is refused', (text, expected) => {
    expect(render(text)).toEqual([like(expected)]);
  });

  it('takes filters only where text is built for pods', () => {
    expect(render('$(token | base64)', false)).toEqual([like(/target\.data alone/)]);
  });

  it('does not read what a value holds as a template', () => {
    const template = parseTemplate('$(token)$(param.n)', scope(['token', 'param.n']), () => {});
    expect(fill(template, () => '$(token)')).toBe('$(token)$(token)');
  });
});
