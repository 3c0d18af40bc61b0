import { createServer, request as httpRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { wrapAxiosWithPayment, x402Client as x402AxiosClient } from '@x402/axios'
import { ExactEvmScheme } from '@x402/evm'
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch'
import axios from 'axios'
import OpenAI from 'openai'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AnswerLost, type PayingFetchOptions, payingFetch, verifyReceipt } from '../../src/client/index.ts'
import type { RequirementV1 } from '../../src/wire/payment.ts'
import type { SignedReceipt } from '../../src/wire/receipt.ts'
import { header, post, signOffer } from '../support/pay.ts'
import { goodAnswer } from '../support/upstream.ts'
import { CHAIN_ID, hello, startWorld, type World } from '../support/world.ts'

const NETWORK = `eip155:${CHAIN_ID}` as const
let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

/** A client that may pay with this world's token. */
const payer = async (options: Partial<PayingFetchOptions> = {}) => {
  const wallet = await world.payer()
  const assets = [{ chain: NETWORK, address: world.token, decimals: 6, symbol: 'USDC' }]
  return { wallet, pay: payingFetch({ wallet, policy: { assets }, ...options }) }
}
const ask = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
const served = () => world.upstream.seen.length
const balance = async (address: string): Promise<bigint> =>
  BigInt(
    await world.rpc<string>('eth_call', [
      { to: world.token, data: `0x70a08231${address.slice(2).toLowerCase().padStart(64, '0')}` },
      'latest',
    ]),
  )

test('a JSON call is paid, its receipt holds, and the chain moved what the wallet counted', async () => {
  const { pay, wallet } = await payer()
  const response = await pay(world.chat, ask(hello()))
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Hello there' } }] })
  expect(pay.lastReceipt).toMatchObject({
    ok: true,
    problems: [],
    signed: { receipt: { charged: '14', modelAnswered: 'test/small' } },
  })
  await world.settle()
  expect(10_000_000n - (await balance(wallet.address))).toBe(pay.spending().spent)
})

test('a streamed call is paid and its receipt, behind [DONE], holds over every byte', async () => {
  const { pay } = await payer()
  const response = await pay(world.chat, ask(hello({ stream: true })))
  expect(await response.text()).toContain(' there')
  expect(pay.lastReceipt).toMatchObject({ ok: true, problems: [] })
  expect(pay.spending()).toMatchObject({ reserved: 0n, charged: 14n })
})

test('a stream that its provider breaks off ends in an error event, and the receipt for what came holds', async () => {
  world.upstream.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write({ choices: [{ index: 0, delta: { content: 'Hel' } }] })
    setTimeout(() => response.destroy(), 20)
  })
  const { pay } = await payer()
  expect(await (await pay(world.chat, ask(hello({ stream: true })))).text()).toContain('stream_broken')
  expect(pay.lastReceipt).toMatchObject({ ok: true, signed: { receipt: { outcome: 'partial' } } })
  world.upstream.script(goodAgain)
})

test('what one call did not use pays for the next', async () => {
  const { pay } = await payer()
  await pay(world.chat, ask(hello()))
  await world.settle()
  const before = pay.spending().spent
  await pay(world.chat, ask(hello()))
  expect(pay.spending().spent - before).toBeLessThan(before)
  expect(pay.lastReceipt).toMatchObject({ ok: true })
  expect(pay.lastReceipt?.signed?.receipt.creditUsed).not.toBe('0')
})

test('twenty calls at once of a payer with credit are all served, whoever of them gets the credit', async () => {
  const { pay } = await payer()
  await pay(world.chat, ask(hello()))
  await world.settle()
  const answers = await Promise.all(Array.from({ length: 20 }, () => pay(world.chat, ask(hello()))))
  expect(answers.map((one) => one.status)).toEqual(Array(20).fill(200))
  expect(pay.spending()).toMatchObject({ reserved: 0n, charged: 14n * 21n })
})

test('the OpenAI SDK buys answers and streams with this fetch and no other change', async () => {
  const { pay } = await payer()
  const client = new OpenAI({ apiKey: 'unused', baseURL: `${world.farebox.url}/v1`, fetch: pay })
  const messages = [{ role: 'user' as const, content: 'Say hello.' }]
  const answer = await client.chat.completions.create({ model: 'test/small', messages })
  expect(answer.choices[0]?.message.content).toBe('Hello there')
  expect(pay.lastReceipt).toMatchObject({ ok: true })
  let text = ''
  const stream = await client.chat.completions.create({ model: 'test/small', messages, stream: true })
  for await (const part of stream) text += part.choices[0]?.delta.content ?? ''
  expect(text).toBe('Hello there')
  expect(pay.lastReceipt?.signed?.receipt).toMatchObject({ outputTokens: 2, outcome: 'served' })
  expect(pay.lastReceipt?.problems).toEqual([])
})

test('when the OpenAI SDK stops reading a stream, the receipt for what was read arrives', async () => {
  world.upstream.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const timer = setInterval(() => write({ choices: [{ index: 0, delta: { content: 'and ' } }] }), 10)
    response.on('close', () => clearInterval(timer))
  })
  const { pay } = await payer()
  const client = new OpenAI({ apiKey: 'unused', baseURL: `${world.farebox.url}/v1`, fetch: pay })
  const stream = await client.chat.completions.create({
    model: 'test/small',
    messages: [{ role: 'user', content: 'Count.' }],
    stream: true,
  })
  for await (const _ of stream) break
  for (let i = 0; i < 300 && !pay.lastReceipt; i++) await new Promise((resolve) => setTimeout(resolve, 20))
  expect(pay.lastReceipt).toMatchObject({ ok: true, signed: { receipt: { outcome: 'partial' } } })
  world.upstream.script(goodAgain)
})

test('a lost paid request is sent again with the same signature and served once', async () => {
  const wire = await startCutter(world.farebox.url, 'request')
  const { pay } = await payer()
  const before = served()
  const response = await pay(`${wire.url}/v1/chat/completions`, ask(hello()))
  expect([response.status, pay.lastReceipt?.ok]).toEqual([200, true])
  expect([served() - before, wire.paid.length, new Set(wire.paid).size]).toEqual([1, 2, 1])
  await wire.close()
})

test.each([
  ['as a whole', 'response'],
  ['after its head', 'body'],
] as const)(
  'an answer that is lost %s on its way was served and paid once, and the error brings its receipt',
  async (_, where) => {
    const wire = await startCutter(world.farebox.url, where)
    const { pay, wallet } = await payer()
    const before = served()
    const error = await pay(`${wire.url}/v1/chat/completions`, ask(hello())).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(AnswerLost)
    expect(error).toMatchObject({
      receipt: { ok: true, signed: { receipt: { outcome: 'served', charged: '14' } } },
    })
    expect([served() - before, new Set(wire.paid).size]).toEqual([1, 1])
    await world.settle()
    expect(10_000_000n - (await balance(wallet.address))).toBe(pay.spending().spent)
    await wire.close()
  },
)

test('the OpenAI SDK, retrying a lost answer by itself, does not pay twice', async () => {
  const wire = await startCutter(world.farebox.url, 'response')
  const { pay } = await payer()
  const before = served()
  const client = new OpenAI({ apiKey: 'unused', baseURL: `${wire.url}/v1`, fetch: pay, maxRetries: 2 })
  const lost = client.chat.completions.create({
    model: 'test/small',
    messages: [{ role: 'user', content: 'Say hello.' }],
  })
  await expect(lost).rejects.toMatchObject({ cause: { name: 'AnswerLost' } })
  expect([served() - before, new Set(wire.paid).size]).toEqual([1, 1])
  await wire.close()
})

test('a call that no provider answers costs nothing and says so', async () => {
  world.upstream.script(({ response }) => void response.writeHead(500).end())
  const { pay } = await payer()
  const response = await pay(world.chat, ask(hello({ model: 'test/large' })))
  expect([response.status, pay.spending().spent, pay.spending().reserved]).toEqual([502, 0n, 0n])
  world.upstream.script(goodAgain)
})

test('a wallet without money is told so in the words of the router', async () => {
  const wallet = await world.payer(0n)
  const pay = payingFetch({
    wallet,
    policy: { assets: [{ chain: NETWORK, address: world.token, decimals: 6 }] },
  })
  const response = await pay(world.chat, ask(hello()))
  expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
    402,
    'insufficient_funds',
  ])
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 0n })
})

/** The official clients refuse tokens they do not know, so the local one is opened for them. */
const stock = <T extends x402Client | x402AxiosClient>(client: T, account: LocalAccount): T => {
  client.register(NETWORK, new ExactEvmScheme(account))
  if ('setSpendControls' in client)
    client.setSpendControls({ allowedAssets: [{ network: NETWORK, asset: world.token }] })
  return client
}
const holds = async (value: string | null | undefined, account: LocalAccount) => {
  const response = decodePaymentResponseHeader(value ?? '') as { extensions?: { farebox?: SignedReceipt } }
  return verifyReceipt(response.extensions?.farebox, {
    payer: account.address,
    signer: world.farebox.deps.account.address,
  })
}

test('the official fetch wrapper pays unchanged, JSON and stream', async () => {
  const account = await world.payer()
  const paid = wrapFetchWithPayment(fetch, stock(new x402Client(), account))
  const response = await paid(world.chat, ask(hello()))
  expect([response.status, await holds(response.headers.get('payment-response'), account)]).toEqual([
    200,
    { ok: true },
  ])
  expect(await (await paid(world.chat, ask(hello({ stream: true })))).text()).toContain('[DONE]')
})

test('the official axios wrapper pays unchanged', async () => {
  const account = await world.payer()
  const paid = wrapAxiosWithPayment(axios.create(), stock(new x402AxiosClient(), account))
  const response = await paid.post(world.chat, hello())
  expect([response.status, await holds(response.headers['payment-response'] as string, account)]).toEqual([
    200,
    { ok: true },
  ])
})

test('the OpenAI SDK pays with the official fetch wrapper, JSON and stream', async () => {
  const account = await world.payer()
  const paid = wrapFetchWithPayment(fetch, stock(new x402Client(), account))
  const client = new OpenAI({
    apiKey: 'unused',
    baseURL: `${world.farebox.url}/v1`,
    fetch: (input, init) => paid(input, init),
  })
  const messages = [{ role: 'user' as const, content: 'Say hello.' }]
  const answer = await client.chat.completions.create({ model: 'test/small', messages })
  expect(answer.choices[0]?.message.content).toBe('Hello there')
  let text = ''
  for await (const part of await client.chat.completions.create({
    model: 'test/small',
    messages,
    stream: true,
  }))
    text += part.choices[0]?.delta.content ?? ''
  expect(text).toBe('Hello there')
})

test('a v1 client pays by the body of the same 402', async () => {
  const account = await world.payer()
  const asked = (await (await post(world.chat, hello())).json()) as {
    x402Version: number
    accepts: RequirementV1[]
  }
  const offer = asked.accepts[0]!
  expect([asked.x402Version, offer.network]).toEqual([1, 'base-sepolia'])
  const { payload } = await signOffer(account, {
    ...offer,
    network: NETWORK,
    amount: offer.maxAmountRequired,
    extra: { ...offer.extra, quote: '', signer: account.address },
  })
  const paid = { 'x-payment': header({ x402Version: 1, scheme: 'exact', network: offer.network, payload }) }
  const response = await post(world.chat, hello(), paid)
  expect(response.status).toBe(200)
  expect(await holds(response.headers.get('x-payment-response'), account)).toEqual({ ok: true })
  const again = await post(world.chat, hello(), paid)
  expect(again.status).toBe(409)
})

const goodAgain = goodAnswer

/** A proxy that loses the first paid exchange: its request, its whole response, or the response's body. */
const startCutter = async (target: string, where: 'request' | 'response' | 'body') => {
  const paid: string[] = []
  const server: Server = createServer(async (incoming, outgoing) => {
    const parts: Buffer[] = []
    for await (const part of incoming) parts.push(part as Buffer)
    const payment = incoming.headers['payment-signature']
    if (typeof payment === 'string') paid.push(payment)
    const cuts = typeof payment === 'string' && paid.length === 1
    if (cuts && where === 'request') return void outgoing.destroy()
    const { method, headers, url } = incoming
    const forward = httpRequest(`${target}${url}`, { method: method!, headers }, async (answer) => {
      const got: Buffer[] = []
      for await (const part of answer) got.push(part as Buffer)
      if (cuts && where === 'response') return void outgoing.destroy()
      outgoing.writeHead(answer.statusCode ?? 502, {
        ...answer.headers,
        'content-length': Buffer.concat(got).length,
      })
      if (!cuts) return void outgoing.end(Buffer.concat(got))
      outgoing.write('{', () => outgoing.destroy())
    })
    forward.on('error', () => outgoing.destroy())
    forward.end(Buffer.concat(parts))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    paid,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
