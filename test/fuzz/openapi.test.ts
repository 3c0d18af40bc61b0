import { afterAll, beforeAll, expect, test } from 'vitest'
import { resources } from '../../src/http/resources.ts'
import { type Document, documentProblems, explore, operationsOf } from './openapi.ts'
import { openSite, type Site } from './site.ts'
import { fillStock } from './stock.ts'

const EACH = 60
const SEED = Number(process.env['SEED'] ?? 20_261_121)

let site: Site
let document: Document
beforeAll(async () => {
  site = await openSite()
  document = (await (await fetch(`${site.url}/openapi.json`)).json()) as Document
})
afterAll(() => site?.close())

test('the running router describes itself in valid OpenAPI 3.1', () => {
  expect(documentProblems(document)).toEqual([])
})

test('what is no valid document is told', () => {
  const broken = structuredClone(document)
  const operation = broken.paths['/v1/quote']!['post']!
  operation.responses = {}
  operation.requestBody!.content = { 'application/json': { schema: { $ref: '#/components/schemas/None' } } }
  broken.components!.schemas!['Error'] = { type: 'text', propertys: {} }
  broken.openapi = '3.0.0'
  expect(documentProblems(broken)).toEqual([
    'openapi is 3.0.0',
    'components.Error.propertys is no keyword that is known',
    'components.Error.type is text',
    'post /v1/quote body application/json.$ref leads nowhere: #/components/schemas/None',
    'post /v1/quote has no responses',
  ])
})

test('every path of the table is in the document', () => {
  const table = resources({
    deps: undefined as never,
    catalog: undefined as never,
    margin: 0n,
    bodyLimit: 1,
    refunds: true,
    ready: undefined as never,
  })
  const documented = operationsOf(document).map(({ path, method }) => `${method} ${path}`)
  expect(documented).toEqual(
    expect.arrayContaining(
      table.map(({ method, path }) => `${method} ${path.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')}`),
    ),
  )
})

test('every operation answers as it is documented, whatever it is asked', { timeout: 120_000 }, async () => {
  const { operations, problems } = await explored(EACH)
  expect(problems.slice(0, 10)).toEqual([])
  const names = operationsOf(document).map(({ path, method }) => `${method} ${path}`)
  expect(Object.keys(operations)).toEqual(names)
  expect(Object.entries(operations).filter(([, { sent }]) => sent < EACH)).toEqual([])
  // Not one of them is refused whatever it is asked.
  const once = ({ statuses }: (typeof operations)[string]) =>
    Object.keys(statuses).some((status) => !['400', '415'].includes(status))
  expect(Object.entries(operations).filter(([, row]) => !once(row))).toEqual([])
  expect(await site.troubles()).toEqual([])
})

test('it does so while its chain is gone', { timeout: 120_000 }, async () => {
  good = await makeGood()
  await site.stopChain()
  // It is looked at now and then only.
  const ready = async () => (await fetch(`${site.url}/readyz`)).status
  await expect.poll(ready, { timeout: 30_000, interval: 200 }).toBe(503)
  const { operations, problems } = await explored(EACH / 2)
  expect(problems.slice(0, 10)).toEqual([])
  expect(Object.keys(operations['get /readyz']!.statuses)).toEqual(['503'])
  expect(operations['post /v1/chat/completions']!.statuses['503']).toBeGreaterThan(0)
})

let good: Awaited<ReturnType<typeof makeGood>> | undefined
const explored = async (each: number) =>
  explore({ url: site.url, document, seed: SEED, each, ...(good ?? (await makeGood())) })

/** Requests that are good but for the payer's money, and what of them may stand in other places. */
const makeGood = async () => {
  const stock = await fillStock(site.url, SEED)
  const paid = stock.signed.map(({ way, body, offer, payload }) => {
    const value = Buffer.from(JSON.stringify(payload)).toString('base64')
    const header: [string, string] = [way === 'v1' ? 'X-PAYMENT' : 'PAYMENT-SIGNATURE', value]
    const { scheme, network, amount, asset, payTo } = offer
    const asked = { scheme, network, amount, asset, payTo }
    return {
      way,
      header,
      body,
      relay: { x402Version: 2, paymentPayload: payload, paymentRequirements: asked },
    }
  })
  const signIn = Buffer.from(await stock.signIn()).toString('base64')
  const relays = paid.map(({ relay }) => ({ headers: [], body: JSON.stringify(relay) }))
  return {
    headers: {
      'PAYMENT-SIGNATURE': [...paid.map(({ header }) => header[1]), 'x', 'e30='],
      'X-PAYMENT': ['x', 'e30='],
      'SIGN-IN-WITH-X': ['x', signIn],
    },
    examples: {
      'post /v1/chat/completions': paid.map(({ header, body }) => ({
        headers: [header],
        body: JSON.stringify(body),
      })),
      'get /v1/chat/completions': paid
        .filter(({ way }) => way === 'refund')
        .map(({ header }) => ({ headers: [header] })),
      'post /verify': relays,
      'post /settle': relays,
    },
  }
}
