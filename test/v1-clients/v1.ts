import axios from 'axios'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hello, startWorld, type World } from '../support/world.ts'

// Untyped on purpose: these packages are installed by `npm run test:v1` only.
const load = async (name: string): Promise<Record<string, (...args: never[]) => unknown>> =>
  import(/* @vite-ignore */ new URL(`./node_modules/${name}/dist/esm/index.mjs`, import.meta.url).href)

let world: World
beforeAll(async () => {
  world = await startWorld({ x402: true, usdt: true })
})
afterAll(() => world?.close())

const callOf = async (id: string) => {
  await world.settle()
  return (await world.farebox.deps.ledger.call(id))!
}
const settledByEip3009 = { kind: 'eip3009', service: { at: 'served' }, settlement: { at: 'settled' } }

test('x402-fetch of v1 finds the offers in the body and pays, JSON and stream', async () => {
  const { wrapFetchWithPayment } = await load('x402-fetch')
  const account: LocalAccount = await world.payer()
  const pay = (wrapFetchWithPayment as (...args: unknown[]) => typeof fetch)(fetch, account)
  const ask = (body: unknown) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const response = await pay(world.chat, ask(hello()))
  expect(response.status).toBe(200)
  expect(await callOf(response.headers.get('x-farebox-call')!)).toMatchObject(settledByEip3009)
  const stream = await pay(world.chat, ask(hello({ stream: true })))
  expect(await stream.text()).toContain('[DONE]')
})

test('x402-axios of v1 finds the offers in the body and pays', async () => {
  const { withPaymentInterceptor } = await load('x402-axios')
  const client = (withPaymentInterceptor as (...args: unknown[]) => typeof axios)(
    axios.create(),
    await world.payer(),
  )
  const response = await client.post(world.chat, hello())
  expect(response.status).toBe(200)
  expect(await callOf(String(response.headers['x-farebox-call']))).toMatchObject(settledByEip3009)
})
