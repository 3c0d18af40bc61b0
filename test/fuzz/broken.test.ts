import { describe, expect, test } from 'vitest'
import type { Answer } from './answer.ts'
import { readAnswer } from './answer.ts'
import { judge } from './judge.ts'
import { type Document, explore } from './openapi.ts'
import { explained, runFuzz } from './run.ts'
import { openSite } from './site.ts'
import { CHAT, whole } from './wire.ts'

/** JavaScript that changes one file of the router while it is loaded. */
const breaking = (file: string, from: string, to: string): string => `
import { registerHooks } from 'node:module'
registerHooks({
  load: (url, context, next) => {
    const loaded = next(url, context)
    if (!url.endsWith(${JSON.stringify(file)})) return loaded
    const text = String(loaded.source)
    if (!text.includes(${JSON.stringify(from)})) throw new Error('there is nothing to break in ' + url)
    return { ...loaded, source: text.replace(${JSON.stringify(from)}, () => ${JSON.stringify(to)}) }
  },
})`

const RARE = String.raw`text.includes('\\ud800')`
const inRare = (what: string) =>
  ['/wire/json.ts', '  scan(text)', `  if (${RARE}) ${what}\n  scan(text)`] as const

/** What is broken, how, and by which words it must be told. */
const BREAKS: readonly (readonly [string, readonly [string, string, string], RegExp])[] = [
  ['a handler throws for one rare input', inRare(`throw new Error('rare')`), /ONLY=\d+ .*: 500: a bug/],
  [
    'a payment without money is served',
    ['/payment/check.ts', 'if (most < required) throw', 'if (false) throw'],
    /ONLY=\d+ .*: 200: served or taken without a payment that is good/,
  ],
  [
    'an error tells where it came from',
    ['/src/errors.ts', 'hint: fill(row.hint, details)', 'hint: String(new Error().stack)'],
    /ONLY=\d+ .*: it tells /,
  ],
  [
    'one rare input keeps the process busy',
    inRare('for (const { user } = process.cpuUsage(); process.cpuUsage().user - user < 1_500_000; );'),
    /did not answer a ping for \d{4} ms/,
  ],
  ['one rare input ends the process', inRare('process.exit(7)'), /the router is dead \(7\)/],
  [
    'a refused call stays open',
    ['/call/end.ts', 'return await write()', 'return undefined as T'],
    /call \S+ is being served/,
  ],
]

describe('the fuzzer sees a router that is broken on purpose', () => {
  test.each(BREAKS)('%s', { timeout: 120_000 }, async (_, [file, from, to], words) => {
    const site = await openSite(breaking(file, from, to))
    try {
      const fuzzed = await runFuzz({ target: site, seed: 7, count: 1500, most: 1 })
      const told = [...explained(fuzzed), ...(await site.leave().catch((error) => [String(error)]))]
      expect(told.join('\n')).toMatch(words)
    } finally {
      await site.close()
    }
  })
})

test('answers that are not as documented are told', { timeout: 120_000 }, async () => {
  const breaks = [
    breaking('/http/app.ts', '{ allow })', '{})'),
    breaking('/http/docs.ts', 'if (body) return [400, 401,', 'if (body) return [401,'),
    breaking('/src/errors.ts', 'hint: fill(row.hint, details)', 'hint: 5 as never'),
  ]
  const site = await openSite(...breaks)
  try {
    const document = (await (await fetch(`${site.url}/openapi.json`)).json()) as Document
    const { problems } = await explore({ url: site.url, document, seed: 7, each: 12 })
    const told = problems.join('\n')
    expect(told).toMatch(/^PUT \/v1\/models: Allow is , not GET$/m)
    expect(told).toMatch(/^post \/v1\/quote #\d+: 400 is not documented/m)
    expect(told).toMatch(/^get \/v1\/calls\/\{id\} #\d+: 404: the body\.error\.hint is no string/m)
  } finally {
    await site.close()
  }
})

const read = (text: string, ended = true) => readAnswer(Buffer.from(text, 'latin1'), 'GET', ended)

test.each([
  ['no status line', 'hello\r\n\r\n', 'the status line is "hello"'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nA : 1\r\n\r\n', 'a header line is "A : 1"'],
  [
    'two lengths',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\na',
    'content-length stands there twice',
  ],
  [
    'a length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na',
    'its length is told twice',
  ],
  ['a body that breaks off', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na', 'the body breaks off'],
  [
    'chunks that break off',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n',
    'the body breaks off',
  ],
  ['no length at all', 'HTTP/1.1 200 OK\r\n\r\na', 'nothing says where its body ends'],
])('an answer with %s is no HTTP', (_, text, problem) => {
  expect(read(text)).toEqual({ problem })
})

test('an answer is read to its end and no further, and waited for until then', () => {
  const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n'
  const answer = { status: 200, headers: [['transfer-encoding', 'chunked']], body: Buffer.from('ab') }
  expect(read(`${text}HTTP/1.1 4`, false)).toEqual({ answer, used: text.length })
  expect(read(text.slice(0, -1), false)).toBe('more')
})

const JSON_HEADERS: [string, string][] = [
  ['content-type', 'application/json'],
  ['x-should-retry', 'false'],
]
const envelope = (code: string, more: object = {}) =>
  JSON.stringify({ error: { message: 'm', type: 't', code, hint: 'h', docs: '/d', ...more } })
const told = (answer: Partial<Answer> & { text?: string }, target = '/v1/quote', method = 'POST') =>
  judge(
    whole('test', { method, target, headers: [] }),
    {
      answers: [
        {
          status: 400,
          headers: JSON_HEADERS,
          body: Buffer.from(answer.text ?? envelope('invalid_json')),
          ...answer,
        },
      ],
      ms: 1,
    },
    ['a-secret'],
  )

test('what is wrong with an answer is told, and nothing else', () => {
  expect(told({})).toEqual([])
  expect(told({ status: 402 })).toEqual(['402: invalid_json has status 400'])
  expect(told({ text: envelope('nonsense') })).toEqual(['400: the code is "nonsense"'])
  expect(told({ text: envelope('invalid_json', { hint: '' }) })).toEqual(['400: invalid_json has no hint'])
  expect(told({ text: envelope('invalid_json', { message: 'é' }) })).toEqual([
    '400: invalid_json has unprintable words',
  ])
  expect(told({ text: '{' })).toEqual(['400: the body is no JSON'])
  expect(told({ text: '' })).toEqual(['400: there is no body'])
  expect(told({ text: envelope('invalid_json', { hint: 'a-secret' }) })).toEqual(['400: it tells a-secret…'])
  expect(told({ body: Buffer.from([0x22, 0xff, 0x22]), status: 200 })).toEqual(['200: the body is not UTF-8'])
  expect(told({ status: 200, text: '{"id":"x"}' }, `${CHAT}?a=b`)).toEqual([
    '200: served or taken without a payment that is good',
  ])
  expect(told({ status: 200, text: '{"success":true,"amount":"5"}' }, '/settle')).toEqual([
    '200: a payment without money is said to be good',
  ])
  expect(told({ headers: [['content-type', 'text/html']], text: '<p>' })).toEqual([
    '400: a refusal as text/html',
  ])
})
