import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ReceiptRejected } from '../../src/client/index.ts'
import { systemClock } from '../../src/clock.ts'
import type { Receipt } from '../../src/wire/receipt.ts'
import { body, newBuyer } from './buyer.ts'
import {
  type Ask,
  CALL,
  demand,
  type Router,
  receiptFor,
  settleResponse,
  sign,
  startRouter,
} from './router.ts'

let router: Router
beforeAll(async () => {
  router = await startRouter()
})
beforeEach(() => {
  router.seen.length = 0
})
afterAll(() => router.close())

const delta = (content: string) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`
const DONE = 'data: [DONE]\n\n'
const newStreamer = (options: Parameters<typeof newBuyer>[0] = {}) =>
  newBuyer({ clock: systemClock, ...options })

const begin = ({ response }: Ask) =>
  response.writeHead(200, { 'content-type': 'text/event-stream', 'x-farebox-call': CALL })
const comment = async (ask: Ask, text: string, change: Partial<Receipt> = {}) => {
  const signed = await sign({ ...receiptFor(ask, text), ...change })
  return `: PAYMENT-RESPONSE ${settleResponse(signed)}\n\n`
}
/** Streams two words, then does `end`. */
const streaming = (end: (ask: Ask, sent: string) => unknown) =>
  router.script(async (ask) => {
    if (!ask.paid)
      return ask.path === '/v1/chat/completions' ? demand(ask) : ask.response.writeHead(404).end()
    const sent = delta('Hello') + delta(' there')
    begin(ask).write(sent)
    return end(ask, sent)
  })
const until = async (true_: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !true_(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(true_()).toBe(true)
}

test('a stream comes through byte by byte and its receipt is checked when it has ended', async () => {
  let whole = ''
  streaming(async (ask, sent) => {
    const tail = `${DONE}${await comment(ask, sent + DONE)}`
    whole = sent + tail
    ask.response.end(tail)
  })
  const { pay, types } = newStreamer()
  const response = await pay(router.chat, body())
  expect(await response.text()).toBe(whole)
  expect(pay.lastReceipt).toMatchObject({ ok: true, problems: [] })
  expect(pay.spending()).toMatchObject({ spent: 10_000n, charged: 14n })
  expect(types()).toEqual(['quote', 'signed', 'paid', 'receipt'])
})

test('the first words arrive while the rest is still being written', async () => {
  let finish = () => {}
  streaming((ask, sent) => {
    finish = () => void comment(ask, sent + DONE).then((text) => ask.response.end(DONE + text))
  })
  const { pay } = newStreamer()
  const reader = (await pay(router.chat, body())).body!.getReader()
  expect(Buffer.from((await reader.read()).value!).toString()).toContain('Hello')
  finish()
  while (!(await reader.read()).done);
  expect(pay.lastReceipt?.ok).toBe(true)
})

test('a reader that stops at [DONE] still gets its receipt checked, though it comes later', async () => {
  streaming((ask, sent) => {
    ask.response.write(DONE)
    setTimeout(() => void comment(ask, sent + DONE).then((text) => ask.response.end(text)), 50)
  })
  const { pay } = newStreamer()
  const reader = (await pay(router.chat, body())).body!.getReader()
  let text = ''
  while (!text.includes('[DONE]')) text += Buffer.from((await reader.read()).value!).toString()
  await reader.cancel()
  expect(pay.lastReceipt).toMatchObject({ ok: true })
})

test('a router that says nothing more behind [DONE] does not hold the caller up for long', async () => {
  streaming((ask) => ask.response.write(DONE))
  const { pay } = newStreamer()
  const start = Date.now()
  await (await pay(router.chat, body())).text()
  expect(Date.now() - start).toBeLessThan(6_000)
  expect(pay.lastReceipt).toMatchObject({ ok: false, problems: ['the router gave no receipt'] })
})

test('a reader that leaves early stops the router, and the receipt is fetched afterwards', async () => {
  let left = false
  router.script(async (ask) => {
    if (ask.path === `/v1/receipts/${CALL}`) {
      const receipt = { ...receiptFor(router.paid()[0]!, 'half'), outcome: 'partial' as const }
      return ask.response.writeHead(200).end(JSON.stringify(await sign(receipt)))
    }
    if (!ask.paid) return demand(ask)
    ask.response.on('close', () => {
      left = true
    })
    return begin(ask).write(delta('Hello'))
  })
  const { pay } = newStreamer()
  const reader = (await pay(router.chat, body())).body!.getReader()
  await reader.read()
  await reader.cancel()
  await until(() => left && pay.lastReceipt !== undefined)
  expect(pay.lastReceipt).toMatchObject({ ok: true, signed: { receipt: { outcome: 'partial' } } })
})

test('a stream that breaks off is an error to the reader, and is not bought again', async () => {
  streaming((ask) => setImmediate(() => ask.response.destroy()))
  const { pay } = newStreamer()
  const response = await pay(router.chat, body())
  await expect(response.text()).rejects.toThrow()
  expect(router.paid()).toHaveLength(1)
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 10_000n })
  await until(() => pay.lastReceipt !== undefined)
})

test('a receipt for other words than those that came is reported, or ends the stream in an error', async () => {
  streaming(async (ask) => ask.response.end(DONE + (await comment(ask, 'other words'))))
  const reporting = newStreamer()
  expect(await (await reporting.pay(router.chat, body())).text()).toContain('Hello')
  expect(reporting.pay.lastReceipt?.problems.join()).toContain('its responseDigest is')
  const requiring = newStreamer({ policy: { receipt: 'require' } })
  const response = await requiring.pay(router.chat, body())
  await expect(response.text()).rejects.toBeInstanceOf(ReceiptRejected)
})

test('the OpenAI SDK streams through it unchanged and its receipt is there when the loop ends', async () => {
  streaming(async (ask, sent) => ask.response.end(DONE + (await comment(ask, sent + DONE))))
  const { pay } = newStreamer()
  const client = new OpenAI({ apiKey: 'none', baseURL: `${router.url}/v1`, fetch: pay })
  const stream = await client.chat.completions.create({
    model: 'm',
    stream: true,
    messages: [{ role: 'user', content: 'Hi' }],
    extra: 1,
  } as never)
  let text = ''
  for await (const part of stream as unknown as AsyncIterable<{ choices: { delta: { content: string } }[] }>)
    text += part.choices[0]?.delta.content
  expect(text).toBe('Hello there')
  expect(pay.lastReceipt).toMatchObject({ ok: true })
})

test('when the OpenAI SDK times out and retries by itself, it shows the same signature', async () => {
  router.script(async (ask, shown) => {
    if (!ask.paid) return demand(ask)
    if (shown === 1) return
    const sent = delta('Hello')
    begin(ask).end(sent + DONE + (await comment(ask, sent + DONE)))
  })
  const { pay } = newStreamer()
  const client = new OpenAI({
    apiKey: 'none',
    baseURL: `${router.url}/v1`,
    fetch: pay,
    timeout: 300,
    maxRetries: 1,
  })
  const response = await client.chat.completions
    .create({ model: 'm', stream: true, messages: [{ role: 'user', content: 'Hi' }] })
    .asResponse()
  expect(await response.text()).toContain('Hello')
  expect(router.paid()).toHaveLength(2)
  expect(new Set(router.paid().map((ask) => ask.paid?.header)).size).toBe(1)
})
