import OpenAI, { APIError } from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { receiptOf } from '../support/receipt.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

/** A request without a word, so that the price does not depend on how words are estimated. */
const silent = hello({ messages: [{ role: 'user', content: '' }] })

/** Puts names where every run has other values, and of what is declared the names only. */
const masked = (value: unknown): unknown => {
  const { address } = world.farebox.deps.account
  const text = JSON.stringify(value)
    .replaceAll(world.farebox.url, '<url>')
    .replaceAll(world.token.toLowerCase(), '<token>')
    .replaceAll(address, '<signer>')
    .replace(/"quote_[\w-]{22}"/g, '"<quote id>"')
    .replace(/"v1\.[\w-]{6}\.[\w-]+\.[\w-]{43}"/g, '"<sealed quote>"')
    .replace(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"<time>"')
  const said = JSON.parse(text) as { extensions?: object }
  return said.extensions ? { ...said, extensions: Object.keys(said.extensions) } : said
}
const decoded = (response: Response): unknown =>
  JSON.parse(Buffer.from(response.headers.get('payment-required')!, 'base64').toString())

test('the header of a 402 is an x402 v2 demand', async () => {
  expect(masked(decoded(await post(world.chat, silent)))).toMatchInlineSnapshot(`
    {
      "accepts": [
        {
          "amount": "114",
          "asset": "<token>",
          "extra": {
            "name": "USD Coin",
            "quote": "<sealed quote>",
            "signer": "<signer>",
            "version": "2",
          },
          "maxTimeoutSeconds": 300,
          "network": "eip155:84532",
          "payTo": "0x1111111111111111111111111111111111111111",
          "scheme": "exact",
        },
      ],
      "error": "payment_required",
      "extensions": [
        "payment-identifier",
        "offer-receipt",
        "bazaar",
      ],
      "resource": {
        "description": "One model call",
        "mimeType": "application/json",
        "url": "<url>/v1/chat/completions",
      },
      "x402Version": 2,
    }
  `)
})

test('the body of a 402 is an OpenAI error, an x402 v1 demand and a price that people can read', async () => {
  const response = await post(world.chat, silent)
  expect(masked(await response.json())).toMatchInlineSnapshot(`
    {
      "accepts": [
        {
          "asset": "<token>",
          "description": "One model call",
          "extra": {
            "name": "USD Coin",
            "version": "2",
          },
          "maxAmountRequired": "114",
          "maxTimeoutSeconds": 300,
          "mimeType": "application/json",
          "network": "base-sepolia",
          "payTo": "0x1111111111111111111111111111111111111111",
          "resource": "<url>/v1/chat/completions",
          "scheme": "exact",
        },
      ],
      "error": {
        "code": "payment_required",
        "docs": "/llms.txt#payment_required",
        "hint": "Sign one of the offers in PAYMENT-REQUIRED and send the same request again with PAYMENT-SIGNATURE.",
        "message": "This call costs at most $0.000114; about $0.000107 is expected.",
        "param": null,
        "type": "payment_required",
      },
      "extensions": [
        "payment-identifier",
        "offer-receipt",
        "bazaar",
      ],
      "quote": {
        "ceiling_usd": "0.000114",
        "expected_usd": "0.000107",
        "expires_at": "<time>",
        "id": "<quote id>",
        "input_tokens": 7,
        "max_output_tokens": 50,
        "max_tokens_that_fit": {
          "0.0001": 43,
        },
        "model": "test/small",
        "offers": [
          {
            "amount": "114",
            "asset": "<token>",
            "credit_used": "0",
            "least": "0",
            "method": "eip3009",
            "network": "eip155:84532",
            "pay_to": "0x1111111111111111111111111111111111111111",
            "scheme": "exact",
            "symbol": "USDC",
          },
        ],
        "routes": [
          {
            "model": "test/small",
            "provider": "up",
          },
        ],
        "unused": "credited to the payer and used by its next quotes",
        "why": "balanced of 1 host",
      },
      "x402Version": 1,
    }
  `)
})

test('a 402 is told to no cache, and to no SDK to repeat', async () => {
  const response = await post(world.chat, silent)
  expect(
    Object.fromEntries([...response.headers].filter(([name]) => /cache|retry|type/.test(name))),
  ).toMatchInlineSnapshot(`
    {
      "cache-control": "no-store, private",
      "content-type": "application/json; charset=utf-8",
      "x-should-retry": "false",
    }
  `)
})

test('the demand of a refused payment says why in all three places, with a fresh offer', async () => {
  const payment = await signOffer(await world.payer(0n), offersOf(await post(world.chat, silent))[0]!)
  const response = await post(world.chat, silent, { 'payment-signature': header(payment) })
  const body = (await response.json()) as { error: unknown; accepts: unknown[] }
  expect(decoded(response)).toMatchObject({
    x402Version: 2,
    error: 'insufficient_funds',
    accepts: [{ scheme: 'exact' }],
  })
  expect(body.error).toMatchInlineSnapshot(`
    {
      "code": "insufficient_funds",
      "docs": "/llms.txt#insufficient_funds",
      "hint": "Fund the wallet, lower max_tokens, or wait for open calls to settle.",
      "message": "The payer holds 0 units, 114 are needed for this and the open calls.",
      "param": null,
      "type": "payment_required",
    }
  `)
  expect(body.accepts).toHaveLength(1)
  expect(response.headers.get('x-farebox-call')).toMatch(/^call_/)
})

test('a quote can be had without asking for an answer, and it can be paid', async () => {
  const response = await post(`${world.farebox.url}/v1/quote`, silent)
  expect(response.status).toBe(200)
  const { quote, accepts } = (await response.json()) as {
    quote: unknown
    accepts: ReturnType<typeof offersOf>
  }
  expect(masked(quote)).toMatchObject({
    ceiling_usd: '0.000114',
    expected_usd: '0.000107',
    max_output_tokens: 50,
  })
  const payment = await signOffer(await world.payer(), accepts[0]!)
  expect((await post(world.chat, silent, { 'payment-signature': header(payment) })).status).toBe(200)
})

const sdk = (fetching?: typeof fetch) =>
  new OpenAI({ apiKey: 'none', baseURL: `${world.farebox.url}/v1`, ...(fetching && { fetch: fetching }) })
const asked = { model: 'test/small', messages: [{ role: 'user' as const, content: '' }], max_tokens: 50 }

test('the OpenAI SDK reads a 402 as an error with code, type and words, and does not repeat it', async () => {
  let requests = 0
  const counting: typeof fetch = (...args) => {
    requests++
    return fetch(...args)
  }
  const error = await sdk(counting)
    .chat.completions.create(asked)
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(APIError)
  const { status, code, type, param, message } = error as APIError
  expect({ status, code, type, param, message }).toMatchInlineSnapshot(`
    {
      "code": "payment_required",
      "message": "402 This call costs at most $0.000114; about $0.000107 is expected.",
      "param": null,
      "status": 402,
      "type": "payment_required",
    }
  `)
  expect(requests).toBe(1)
})

test('the OpenAI SDK reads other refusals the same way, and repeats none of them', async () => {
  let requests = 0
  const counting: typeof fetch = (...args) => {
    requests++
    return fetch(...args)
  }
  world.upstream.script(({ response }) => void response.writeHead(500).end('no'))
  const payment = header(await signOffer(await world.payer(), offersOf(await post(world.chat, asked))[0]!))
  const paying: typeof fetch = (url, init) =>
    counting(url, {
      ...init,
      headers: { ...Object.fromEntries(new Headers(init?.headers)), 'payment-signature': payment },
    })
  const error = (await sdk(paying)
    .chat.completions.create(asked)
    .catch((thrown: unknown) => thrown)) as APIError
  expect([error.status, error.code, error.type]).toEqual([502, 'upstream_failed', 'api_error'])
  expect(requests).toBe(1)
})

test('every answer that was paid for has a receipt that adds up', async () => {
  world.upstream.script(goodAnswer)
  const payment = await signOffer(await world.payer(), offersOf(await post(world.chat, silent))[0]!)
  const receipt = receiptOf(await post(world.chat, silent, { 'payment-signature': header(payment) }))
  expect(receipt).toMatchObject({
    quoted: '114',
    signed: '114',
    creditUsed: '0',
    charged: '14',
    credited: '100',
    modelAsked: 'test/small',
  })
})
