import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Hosts, startHosts } from '../support/hosts.ts'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { receiptOf, streamed } from '../support/receipt.ts'
import { costingNothing, told } from '../support/refused.ts'
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
  hosts.second.script(goodAnswer)
})

const SECRET = 'sk-live-secret-of-the-operator'
const failing =
  (status: number, headers: Record<string, string> = {}): Script =>
  ({ response }) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ error: { message: `key ${SECRET} is bad`, code: 'upstream_code' } }))
  }
const filtering =
  (code: string): Script =>
  ({ response }) => {
    response.writeHead(400, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: { message: SECRET, code } }))
  }
const streaming =
  (more: Script): Script =>
  (ask) => {
    ask.response.writeHead(200, { 'content-type': 'text/event-stream' })
    return more(ask)
  }
const json =
  (body: unknown): Script =>
  ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
const reset: Script = ({ response }) => void response.socket?.resetAndDestroy()
const silence: Script = () => {}

/** Ways to fail before anything was said. */
const ANY: [string, Script][] = [
  ['answers 500', failing(500)],
  ['answers 503', failing(503)],
  ['answers 429 with Retry-After', failing(429, { 'retry-after': '30' })],
  [
    'answers 429 with a date it can be asked again',
    failing(429, { 'retry-after': 'Wed, 21 Oct 2099 07:28:00 GMT' }),
  ],
  ['says that our key is wrong', failing(401)],
  ['does not know the model', failing(404)],
  ['redirects', failing(302, { location: 'http://169.254.169.254/' })],
  ['resets the connection', reset],
]
const JSON_ONLY: [string, Script][] = [
  ['says 200 with an error inside', json({ error: { message: SECRET } })],
  [
    'says 200 with an error beside an answer',
    json({ error: { message: SECRET }, choices: [{ message: { content: 'x' } }] }),
  ],
  ['says nothing at all', json('')],
  [
    'says nothing in an answer',
    json({ choices: [{ message: { role: 'assistant', content: '' }, finish_reason: 'stop' }] }),
  ],
  ['has no choices', json({ choices: [] })],
  ['has choices of no known kind', json({ choices: [null, 5, 'x', {}] })],
  ['has choices that are no list', json({ choices: { 0: { message: { content: 'x' } } } })],
  ['sends a page of HTML', json('<html><body>Bad gateway</body></html>')],
  ['sends a list', json([1, 2])],
  [
    'breaks off in the body',
    ({ response }) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' })
      response.write('{"choices":[{"message":{"content":"Hel')
      setImmediate(() => response.destroy())
    },
  ],
]
const STREAM_ONLY: [string, Script][] = [
  ['is silent', silence],
  ['is silent after its headers', streaming(({ response }) => response.flushHeaders())],
  ['is silent after the role', streaming(({ write }) => write(chunk({ role: 'assistant', content: '' })))],
  [
    'sends only keep-alive comments',
    streaming(({ response }) => {
      const timer = setInterval(() => response.write(': wait\n\n'), 50)
      response.on('close', () => clearInterval(timer))
    }),
  ],
  [
    'sends an error event first',
    streaming(({ write, response }) => {
      write({ error: { message: SECRET } })
      response.end()
    }),
  ],
  [
    'sends an error event after the role',
    streaming(({ write, response }) => {
      write(chunk({ role: 'assistant', content: '' }))
      response.end(`event: error\ndata: {"error":{"message":"${SECRET}"}}\n\n`)
    }),
  ],
  ['is done at once', streaming(({ response }) => void response.end('data: [DONE]\n\n'))],
  [
    'ends before it said anything',
    streaming(({ response, write }) => {
      write(chunk({ role: 'assistant', content: '' }))
      response.end()
    }),
  ],
  ['sends a chunk that is not JSON', streaming(({ response }) => void response.end('data: {"choices":\n\n'))],
  [
    'sends chunks of no known kind',
    streaming(
      ({ response }) =>
        void response.end('data: {"choices":{}}\n\ndata: {"choices":[null,{"delta":[1]}]}\n\ndata: 5\n\n'),
    ),
  ],
  ['answers JSON that is no answer to a stream', json({ status: 'ok' })],
  [
    'sends one line without end',
    streaming(({ response }) => {
      const megabyte = Buffer.alloc(1 << 20, 120)
      const more = (): void => {
        while (!response.destroyed && response.write(megabyte)) {}
        if (!response.destroyed) response.once('drain', more)
      }
      response.write('data: ')
      more()
    }),
  ],
]

const contentOf = (answer: unknown): string =>
  (answer as { choices: { message: { content: string } }[] }).choices[0]!.message.content

const both = (rows: [string, Script][], stream: boolean): [string, string, Script, boolean][] =>
  rows.map(([name, script]) => [name, stream ? 'stream' : 'JSON', script, stream])

test.each([...both(ANY, false), ...both(ANY, true), ...both(JSON_ONLY, false), ...both(STREAM_ONLY, true)])(
  'when the first host %s (%s), the second answers, at its own price, and the first costs nothing',
  async (_, __, script, stream) => {
    hosts.first.script(script)
    const [first, second] = [hosts.first.seen.length, hosts.second.seen.length]
    const response = await hosts.buy(hello({ model: 'test/two', stream }))
    expect(response.status).toBe(200)
    expect(response.headers.get('x-farebox-provider')).toBe('second')
    const answer = stream
      ? await streamed(response)
      : { text: contentOf(await response.json()), receipt: receiptOf(response) }
    expect(answer.text).toBe('Hello there')
    expect([hosts.first.seen.length - first, hosts.second.seen.length - second]).toEqual([1, 1])
    // 10 input tokens at $3 and 2 output tokens at $6 per million.
    expect(answer.receipt).toMatchObject({
      charged: '42',
      provider: 'second',
      modelAnswered: 'test/two',
      outcome: 'served',
      inputTokens: 10,
      outputTokens: 2,
    })
    expect(Number(answer.receipt!.charged)).toBeLessThanOrEqual(Number(answer.receipt!.quoted))
  },
)

test('a lone host gets a second chance, and the failed try is not billed', async () => {
  hosts.first.script((ask) => (ask.attempt === before + 1 ? failing(500)(ask) : goodAnswer(ask)))
  const before = hosts.first.seen.length
  const response = await hosts.buy(hello({ model: 'test/one' }))
  expect(receiptOf(response)).toMatchObject({ charged: '14', provider: 'first' })
  expect(hosts.first.seen.length - before).toBe(2)
})

const NOTHING = 'Nothing was charged and this authorization will never be submitted.'
test.each([
  [
    '500',
    failing(500),
    2,
    '502 upstream_failed No provider could answer (unavailable).',
    `Try again later or allow more models. ${NOTHING}`,
  ],
  [
    'silence',
    silence,
    // The patience is that of the call, and one attempt has used it up.
    1,
    '504 upstream_timeout No provider answered in time.',
    `Try again later or allow more models. ${NOTHING}`,
  ],
  [
    '429',
    failing(429, { 'retry-after': '30' }),
    1,
    '503 upstream_busy Every provider is rate limited or resting after failures.',
    `Try again after the Retry-After seconds. ${NOTHING}`,
  ],
  [
    '401',
    failing(401),
    1,
    '502 upstream_failed No provider could answer (unauthorized).',
    `Try again later or allow more models. ${NOTHING}`,
  ],
  [
    '400',
    failing(400),
    1,
    '400 upstream_rejected The model provider rejected the request (status 400).',
    `Change the request. ${NOTHING}`,
  ],
  [
    '422',
    failing(422),
    1,
    '400 upstream_rejected The model provider rejected the request (status 422).',
    `Change the request. ${NOTHING}`,
  ],
  [
    'that it filters such requests',
    filtering('content_filter'),
    1,
    '400 upstream_filtered The content filter of the model provider refused the request.',
    `Change the request, or choose another model. ${NOTHING}`,
  ],
  [
    'that the request is too long',
    filtering('context_length_exceeded'),
    1,
    '400 upstream_too_long The request is longer than the context of test/one, says its provider (context_length_exceeded).',
    `Shorten the messages, or allow a model with a larger context. ${NOTHING}`,
  ],
] as const)(
  'when the only host says %s, the caller is told why in our words and is not charged',
  async (_, script, asks, says, hint) => {
    hosts.first.script(script)
    const answer = await costingNothing(
      hosts,
      async () => {
        const response = await hosts.buy(hello({ model: 'test/one', stream: true }))
        const copy = response.clone()
        expect(await copy.text()).not.toMatch(/sk-live|upstream_code/)
        expect(response.headers.get('payment-required')).toBeNull()
        if (says.includes('busy')) expect(response.headers.get('retry-after')).toBe('30')
        return told(response)
      },
      asks,
    )
    expect(answer).toMatchObject({ says, hint })
  },
)

test.each([400, 413, 422])(
  'what the first host rejects with %s is the request itself: no other host is asked, nothing is charged',
  async (status) => {
    hosts.first.script(failing(status))
    const answer = await costingNothing(
      hosts,
      async () => told(await hosts.buy(hello({ model: 'test/two' }))),
      1,
    )
    expect(answer.code).toBe('upstream_rejected')
  },
)

test('another model takes over when the first has no host left, and the receipt says which', async () => {
  hosts.first.script(failing(500))
  const response = await hosts.buy(hello({ model: 'test/one', models: ['test/other'] }))
  expect(receiptOf(response)).toMatchObject({
    charged: '42',
    modelAsked: 'test/one',
    modelAnswered: 'test/other',
  })
})

test('with allow_fallbacks off only the first host is asked', async () => {
  hosts.first.script(failing(500))
  const body = hello({ model: 'test/two', provider: { allow_fallbacks: false } })
  const answer = await costingNothing(hosts, async () => told(await hosts.buy(body)), 2)
  expect(answer.code).toBe('upstream_failed')
})

test('the payment of a call that failed is never taken, and cannot be used again', async () => {
  hosts.first.script(failing(500))
  const body = hello({ model: 'test/one' })
  const payment = header(await signOffer(await world.payer(), offersOf(await post(hosts.chat, body))[0]!))
  const send = () => post(hosts.chat, body, { 'payment-signature': payment })
  expect((await send()).status).toBe(502)
  hosts.first.script(goodAnswer)
  const { says, hint } = await costingNothing(hosts, async () => told(await send()))
  expect(says).toBe('409 payment_released The call of this authorization failed and was released.')
  expect(hint).toBe(`${NOTHING} Send the request again without a payment header, and sign the new quote.`)
})
