import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Hosts, startHosts } from '../support/hosts.ts'
import { receiptOf, streamed } from '../support/receipt.ts'
import { chunk, goodAnswer, type Script } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
let hosts: Hosts
beforeAll(async () => {
  world = await startWorld()
  hosts = await startHosts(world)
})
afterAll(async () => {
  await hosts.close()
  await world.close()
})
beforeEach(() => {
  hosts.wake()
  hosts.first.script(goodAnswer)
})

type Part = object | string
/** Streams these chunks; a string is written as it is. */
const saying =
  (...parts: Part[]): Script =>
  ({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const part of parts) typeof part === 'string' ? response.write(part) : write(part)
    response.end()
  }
const DONE = 'data: [DONE]\n\n'
const words = (...said: string[]) => said.map((content) => chunk({ content }))
const ends = chunk({}, 'stop')
const used = (usage: object) => ({ ...chunk({}), choices: [], usage })
const stream = (more: Record<string, unknown> = {}) => hello({ model: 'test/one', stream: true, ...more })
const bought = async (script: Script, body: unknown = stream()) => {
  hosts.first.script(script)
  const response = await hosts.buy(body)
  expect(response.status).toBe(200)
  const answer = await streamed(response)
  const receipt = answer.receipt!
  const call = await (await fetch(`${hosts.farebox.url}/v1/calls/${receipt.callId}`)).json()
  expect(call).toMatchObject({ charged: receipt.charged, ceiling: receipt.quoted })
  expect(BigInt(receipt.charged)).toBeLessThanOrEqual(BigInt(receipt.quoted))
  expect(BigInt(receipt.credited)).toBe(
    BigInt(receipt.signed) + BigInt(receipt.creditUsed) - BigInt(receipt.charged),
  )
  return { ...answer, receipt }
}

/** $1 and $2 per million tokens, $0.50 for cached input. */
const USAGES: [title: string, script: Script, expected: object][] = [
  [
    'reported at the end',
    saying(...words('so', ' it', ' is'), ends, used({ prompt_tokens: 10, completion_tokens: 3 }), DONE),
    { charged: '16', usageSource: 'reported' },
  ],
  [
    'missing',
    saying(...words('so', ' it', ' is'), ends, DONE),
    { outputTokens: 3, usageSource: 'delivered' },
  ],
  [
    'negative',
    saying(...words('so', ' it', ' is'), ends, used({ prompt_tokens: -10, completion_tokens: -3 }), DONE),
    { outputTokens: 3, usageSource: 'delivered' },
  ],
  [
    'a billion',
    saying(...words('so', ' it', ' is'), ends, used({ prompt_tokens: 1e9, completion_tokens: 1e9 }), DONE),
    { outputTokens: 3 },
  ],
  [
    'zero',
    saying(...words('so', ' it', ' is'), ends, used({ prompt_tokens: 0, completion_tokens: 0 }), DONE),
    { charged: '0', usageSource: 'reported' },
  ],
  [
    'split over chunks',
    saying(
      used({ prompt_tokens: 10 }),
      ...words('so', ' it', ' is'),
      ends,
      used({ completion_tokens: 3 }),
      DONE,
    ),
    { charged: '16' },
  ],
  [
    'in the last chunk with a choice',
    saying(
      ...words('so', ' it', ' is'),
      { ...ends, usage: { prompt_tokens: 10, completion_tokens: 3 } },
      DONE,
    ),
    { charged: '16' },
  ],
  [
    'partly cached',
    saying(
      ...words('so', ' it', ' is'),
      ends,
      used({ prompt_tokens: 10, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 8 } }),
      DONE,
    ),
    { charged: '12', cachedTokens: 8 },
  ],
  [
    'more output than was allowed',
    saying(
      ...words('so', ' it', ' is', ' x'.repeat(100)),
      ends,
      used({ prompt_tokens: 10, completion_tokens: 99 }),
      DONE,
    ),
    { charged: '110', outputTokens: 50 },
  ],
  [
    'more input than was ever estimated',
    saying(...words('so'), ends, used({ prompt_tokens: 1_500, completion_tokens: 1 }), DONE),
    { inputTokens: 1_500, usageSource: 'reported' },
  ],
  [
    'of hidden reasoning beyond the cap',
    saying(
      ...words('so'),
      ends,
      used({
        prompt_tokens: 10,
        completion_tokens: 900,
        completion_tokens_details: { reasoning_tokens: 899 },
      }),
      DONE,
    ),
    { charged: '110' },
  ],
]

test.each(USAGES)('usage %s is billed right, and never above the quote', async (_, script, expected) => {
  const { receipt, data } = await bought(script)
  expect(receipt).toMatchObject({ outcome: 'served', ...expected })
  expect(data.at(-1)).toBe('[DONE]')
})

test('the usage chunk is asked of the provider always, and passed on only to who asked for it', async () => {
  const without = await bought(goodAnswer)
  expect(hosts.first.seen.at(-1)!.body['stream_options']).toEqual({ include_usage: true })
  expect(without.data.filter((one) => one.includes('"usage"'))).toEqual([])
  const asked = await bought(goodAnswer, stream({ stream_options: { include_usage: true } }))
  expect(asked.data.filter((one) => one.includes('"usage"'))).toHaveLength(1)
  const bare = await bought(
    saying(...words('so'), ends, { usage: { prompt_tokens: 1, completion_tokens: 1 } }, DONE),
  )
  expect(bare.data.filter((one) => one.includes('"usage"'))).toEqual([])
})

/** Ways to break off in the middle of an answer. */
const BREAKS: [title: string, script: Script][] = [
  [
    'closes the connection',
    ({ response, write }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const one of words('so', ' it', ' is')) write(one)
      response.socket?.destroySoon()
    },
  ],
  [
    'goes silent',
    ({ response, write }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const one of words('so', ' it', ' is')) write(one)
    },
  ],
  ['ends without a reason', saying(...words('so', ' it', ' is'))],
  [
    'sends a chunk that is not JSON',
    saying(...words('so', ' it', ' is'), 'data: {"choices":[{"del\n\n', ends, DONE),
  ],
  [
    'sends an error with its own words',
    saying(...words('so', ' it', ' is'), { error: { message: 'sk-live-secret' } }, DONE),
  ],
  [
    'sends a named error event',
    saying(...words('so', ' it', ' is'), 'event: error\ndata: {"error":"sk-live-secret"}\n\n', DONE),
  ],
  [
    'sends a line without end',
    ({ response, write }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const one of words('so', ' it', ' is')) write(one)
      response.write(`data: ${'x'.repeat(8 << 20)}`)
    },
  ],
]

test.each(BREAKS)(
  'a provider that %s in the middle is not passed off as complete, and only what was delivered is billed',
  async (_, script) => {
    const { data, text, receipt } = await bought(script)
    expect(text).toBe('so it is')
    expect(data).not.toContain('[DONE]')
    expect(JSON.parse(data.at(-1)!)).toEqual({
      error: {
        message: 'The provider broke off in the middle of the answer.',
        type: 'api_error',
        code: 'stream_broken',
        param: null,
        hint: 'Only what was delivered is billed; the receipt says how much.',
        docs: '/llms.txt#stream_broken',
      },
    })
    expect(receipt).toMatchObject({ outcome: 'partial', outputTokens: 3, usageSource: 'delivered' })
    expect(data.join()).not.toContain('sk-live')
  },
)

test.each([
  ['ends without [DONE]', saying(...words('so', ' it', ' is'), ends)],
  [
    'breaks off after the last word and its reason',
    ({ response, write }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const one of [...words('so', ' it', ' is'), ends]) write(one)
      response.socket?.destroySoon()
    },
  ],
] satisfies [string, Script][])('an answer that %s is complete', async (_, script) => {
  const { data, receipt } = await bought(script)
  expect(data.at(-1)).toBe('[DONE]')
  expect(receipt.outcome).toBe('served')
})

test('a provider that ignores max_tokens is cut off, and billed for the quote at most', async () => {
  const { text, receipt, data } = await bought(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let i = 0; i < 2000; i++) write(chunk({ content: ' on' }))
    write(ends)
    response.end(DONE)
  })
  expect(text.length).toBeLessThan(3 * 400)
  expect(receipt).toMatchObject({ outcome: 'partial', outputTokens: 50 })
  expect(data).not.toContain('[DONE]')
})

test('a long tool call in small pieces is not taken for too much', async () => {
  const piece = (args: string) => chunk({ tool_calls: [{ index: 0, function: { arguments: args } }] })
  const start = chunk({
    tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }],
  })
  const args = JSON.stringify({
    city: 'Paris',
    days: [1, 2, 3, 4, 5],
    units: 'metric',
    note: 'be quick about it',
  })
  const { data, receipt } = await bought(
    saying(start, ...args.split('').map(piece), chunk({}, 'tool_calls'), DONE),
  )
  expect(receipt).toMatchObject({ outcome: 'served' })
  expect(receipt.outputTokens).toBeGreaterThan(5)
  expect(data).toHaveLength(args.length + 3)
})

test('a refusal, a tool call or reasoning alone is an answer', async () => {
  for (const delta of [
    { refusal: 'No.' },
    { tool_calls: [{ index: 0, function: { name: 'f', arguments: '{}' } }] },
    { reasoning_content: 'Hm.' },
  ]) {
    const { receipt } = await bought(saying(chunk(delta), ends, DONE))
    expect(receipt).toMatchObject({ outcome: 'served' })
    expect(receipt.outputTokens).toBeGreaterThan(0)
  }
})

test('who lets a model think until its tokens are used up pays for that once: no host is asked again for nothing', async () => {
  const usage = {
    prompt_tokens: 10,
    completion_tokens: 50,
    completion_tokens_details: { reasoning_tokens: 50 },
  }
  const before = hosts.first.seen.length
  const { receipt } = await bought(saying(chunk({ content: '' }), chunk({}, 'length'), used(usage), DONE))
  expect(receipt.charged).toBe('110')

  hosts.first.script(({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const choices = [{ index: 0, message: { role: 'assistant', content: '' }, finish_reason: 'length' }]
    response.end(JSON.stringify({ choices, usage }))
  })
  const whole = await hosts.buy(hello({ model: 'test/one' }))
  expect([whole.status, whole.headers.get('x-farebox-attempts')]).toEqual([200, '1'])
  expect(hosts.first.seen.length - before).toBe(2)
})

test('two choices are quoted and billed as two', async () => {
  const choice = (index: number, content: string, finish: string | null = null) => ({
    ...chunk({}),
    choices: [{ index, delta: { content }, finish_reason: finish }],
  })
  const one = await bought(saying(...words('so'), ends, DONE))
  const two = await bought(
    saying(choice(0, 'so'), choice(1, ' it'), choice(0, '', 'stop'), choice(1, '', 'stop'), DONE),
    stream({ n: 2 }),
  )
  expect(BigInt(two.receipt.quoted) - BigInt(one.receipt.quoted)).toBe(100n)
  expect(two.receipt).toMatchObject({ outcome: 'served', outputTokens: 2 })
  const half = await bought(
    saying(choice(0, 'so'), choice(1, ' it'), choice(0, '', 'stop')),
    stream({ n: 2 }),
  )
  expect(half.receipt.outcome).toBe('partial')
})

test('what a provider puts into its headers goes nowhere', async () => {
  hosts.first.script((ask) => {
    for (const [name, value] of Object.entries({
      'payment-response': 'forged',
      'x-payment-response': 'forged',
      'payment-required': 'forged',
      'settlement-overrides': '{"amount":"0"}',
      'set-cookie': 'a=b',
      'x-request-id': 'req_1',
      'x-farebox-call': 'call_forged',
      server: 'upstream',
      'content-encoding': 'identity',
    }))
      ask.response.setHeader(name, value)
    return goodAnswer(ask)
  })
  const response = await hosts.buy(hello({ model: 'test/one' }))
  expect(
    [...response.headers.keys()].filter(
      (name) => !['date', 'connection', 'keep-alive', 'transfer-encoding'].includes(name),
    ),
  ).toEqual([
    'cache-control',
    'content-length',
    'content-type',
    'payment-response',
    'x-farebox-attempts',
    'x-farebox-call',
    'x-farebox-model',
    'x-farebox-provider',
    'x-farebox-route',
  ])
  expect(receiptOf(response).charged).toBe('14')
})
