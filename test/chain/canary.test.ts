import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Fields, Log } from '../../src/log.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { chunk, goodAnswer, type Script } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

const ASKED = 'canary-in-the-question-7f3a'
const ANSWERED = 'canary-in-the-answer-c41e'
const REFUSED = 'canary-in-the-refusal-90bd'

let world: World
const lines: string[] = []

const note = (event: string, fields?: Fields) => void lines.push(JSON.stringify({ event, ...fields }))
const log: Log = { info: note, warn: note, error: note }

beforeAll(async () => {
  world = await startWorld({
    store: 'sqlite',
    options: { log },
    extra: `
  - { id: test/vectors, kind: embedding, hosts: [{ provider: up, model: upstream-vectors }], inputPerMillion: "1", outputPerMillion: "0", context: 8000, maxOutput: 1 }
cache: { megabytes: 8 }
`,
  })
})
afterAll(() => world.close())

const question = (more: Record<string, unknown> = {}) =>
  hello({ messages: [{ role: 'user', content: `Say ${ASKED} and nothing else.` }], ...more })

const telling: Script = ({ body, response, write }) => {
  if (!body['stream']) {
    response.writeHead(200, { 'content-type': 'application/json' })
    const choices = [{ index: 0, message: { role: 'assistant', content: ANSWERED }, finish_reason: 'stop' }]
    response.end(JSON.stringify({ choices, usage: { prompt_tokens: 10, completion_tokens: 2 } }))
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  write(chunk({ content: ANSWERED }))
  write(chunk({}, 'stop'))
  response.end('data: [DONE]\n\n')
}

const failing: Script = ({ response }) => {
  response.writeHead(400, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { message: `${REFUSED}: cannot say ${ASKED}` } }))
}

const breaking: Script = ({ response, write }) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  write(chunk({ content: ANSWERED }))
  setTimeout(() => response.destroy(), 20)
}

/** Nothing that anybody said is in the files, in the log or in what is told of calls. */
const expectSilence = (told: readonly string[]) => {
  const files = readdirSync(world.dir).map((name) => readFileSync(join(world.dir, name), 'latin1'))
  expect(files.length).toBeGreaterThan(0)
  expect(lines.length).toBeGreaterThan(4)
  const everything = [...files, ...lines, ...told].join('\n')
  for (const canary of [ASKED, ANSWERED, REFUSED]) {
    expect(everything.includes(canary), canary).toBe(false)
    expect(everything.includes(Buffer.from(canary).toString('base64').slice(0, 20)), canary).toBe(false)
  }
}

test('no word of a question, an answer or a provider’s refusal is in any byte at rest, in a log, or in what is told of a call', async () => {
  const payer = await world.payer()
  const told: string[] = []
  const call = async (script: Script, body: unknown) => {
    world.upstream.script(script)
    const response = await buy(world.chat, payer, body)
    const text = await response.text()
    const id = response.headers.get('x-farebox-call') ?? ''
    for (const path of ['calls', 'receipts']) {
      told.push(await (await fetch(`${world.farebox.url}/v1/${path}/${id}`)).text())
    }
    return text
  }
  expect(await call(telling, question())).toContain(ANSWERED)
  expect(await call(telling, question({ stream: true }))).toContain(ANSWERED)
  expect(await call(breaking, question({ stream: true }))).toContain('stream_broken')
  expect(await call(failing, question())).toContain('upstream_rejected')

  // Refused before anything: a swapped body, a field that nobody knows, a body that is no JSON.
  world.upstream.script(goodAnswer)
  const asked = await post(world.chat, question())
  told.push(await asked.clone().text(), asked.headers.get('payment-required') ?? '')
  const payment = header(await signOffer(payer, offersOf(asked)[0]!))
  const others = [question({ max_tokens: 49 }), { ...question(), nonsense: 1 }, `{"messages": ["${ASKED}"`]
  for (const body of others) {
    told.push(await (await post(world.chat, body, { 'payment-signature': payment })).text())
  }
  await world.settle()

  expectSilence(told)
})

const doors = {
  '/v1/chat/completions': question({
    tools: [{ type: 'function', function: { name: ASKED, description: ASKED, parameters: { [ASKED]: {} } } }],
    user: ASKED,
    metadata: { [ASKED]: ASKED },
  }),
  '/v1/messages': question({ system: ASKED, metadata: { user_id: ASKED } }),
  '/v1/responses': { model: 'test/small', input: ASKED, instructions: ASKED, max_output_tokens: 50 },
  '/v1/embeddings': { model: 'test/vectors', input: [ASKED, `${ASKED} again`] },
}

/** An answer that says it in every place that it has. */
const talkative: Script = ({ body, response, write }) => {
  const call = { index: 0, id: ANSWERED, type: 'function', function: { name: ANSWERED, arguments: ANSWERED } }
  const said = { content: ANSWERED, reasoning_content: ANSWERED, refusal: ANSWERED, tool_calls: [call] }
  const usage = { prompt_tokens: 10, completion_tokens: 9, [ANSWERED]: ANSWERED }
  const head = { id: ANSWERED, model: ANSWERED, system_fingerprint: ANSWERED }
  if (!body['stream']) {
    response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': ANSWERED })
    const vector = { object: ANSWERED, index: 0, embedding: [0.5] }
    const choices = [{ index: 0, message: said, finish_reason: ANSWERED }]
    response.end(
      JSON.stringify({ ...head, ...(body['input'] ? { data: [vector, vector] } : { choices }), usage }),
    )
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': ANSWERED })
  write({ ...head, ...chunk(said) })
  write({ ...head, ...chunk({}, 'stop'), usage })
  response.end('data: [DONE]\n\n')
}

const broken: Script = ({ response }) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(`{"choices": ${REFUSED} ${ANSWERED}`)
}

const odd: Script = ({ response }) => {
  response.writeHead(418, REFUSED, { 'retry-after': REFUSED, location: `http://127.0.0.1/${REFUSED}` })
  response.end(JSON.stringify({ error: { code: REFUSED, type: REFUSED, message: ASKED } }))
}

test('nor through any door, with answers kept, prices asked for and routes explained', async () => {
  const payer = await world.payer()
  const told: string[] = []
  const { url } = world.farebox
  for (const [path, body] of Object.entries(doors)) {
    for (const script of [talkative, talkative, broken, odd]) {
      world.upstream.script(script)
      world.farebox.deps.health.forget('up')
      for (const stream of path === '/v1/embeddings' ? [undefined] : [false, true]) {
        const asked = { ...body, ...(stream !== undefined && { stream }) }
        const cached = script === talkative ? { 'x-farebox-cache': 'on' } : {}
        const response = await buy(`${url}${path}`, payer, asked, cached)
        const text = await response.text()
        if (script === talkative)
          expect([
            path,
            response.status,
            text.includes(path === '/v1/embeddings' ? '0.5' : ANSWERED),
          ]).toEqual([path, 200, true])
        else told.push(text)
        told.push(JSON.stringify([...response.headers]))
        const id = response.headers.get('x-farebox-call') ?? ''
        for (const kind of ['calls', 'receipts'])
          told.push(await (await fetch(`${url}/v1/${kind}/${id}`)).text())
      }
    }
    for (const free of ['/v1/quote', '/v1/route/explain'])
      told.push(await (await post(`${url}${free}?for=${path}`, body)).text())
    told.push(await (await post(`${url}${path}`, { ...body, model: 'nobody/has-this' })).text())
    told.push(await (await post(`${url}${path}`, { ...body, max_price_usd: '0.000000' })).text())
  }
  told.push(await (await fetch(`${url}/metrics`)).text())
  await world.settle()
  expectSilence(told)
})
