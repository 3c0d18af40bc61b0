import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { run } from '../../src/call/run.ts'
import { readPayment } from '../../src/wire/payment.ts'
import { type Hosts, startHosts } from '../support/hosts.ts'
import { orderOf } from '../support/models.ts'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { postLines } from '../support/raw.ts'
import { costingNothing } from '../support/refused.ts'
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

const paymentFor = async (body: unknown): Promise<string> =>
  header(await signOffer(await world.payer(), offersOf(await post(hosts.chat, body))[0]!))

const last = () => hosts.first.seen.at(-1)!
const soon = (check: () => unknown) => vi.waitFor(check, { timeout: 1000, interval: 10 })
const callOf = async (id: string) =>
  (await (await fetch(`${hosts.farebox.url}/v1/calls/${id}`)).json()) as { state: string; charged: string }

/** Says one word and then nothing. */
const oneWord: Script = ({ response, write }) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  write(chunk({ content: 'so' }))
}

test('a caller who leaves in the middle of a stream stops the provider within a second and pays for what it got', async () => {
  hosts.first.script(oneWord)
  const body = hello({ model: 'test/one', stream: true })
  const controller = new AbortController()
  const response = await post(
    hosts.chat,
    body,
    { 'payment-signature': await paymentFor(body) },
    controller.signal,
  )
  await response.body!.getReader().read()
  controller.abort()
  await soon(() => expect(last()).toMatchObject({ closedEarly: true }))
  const id = response.headers.get('x-farebox-call')!
  await vi.waitFor(
    async () => expect(await callOf(id)).toMatchObject({ service: 'partial', usage: { output_tokens: 1 } }),
    2000,
  )
  await hosts.settle()
  const call = await callOf(id)
  expect(call.state).toBe('settled')
  expect(BigInt(call.charged)).toBeLessThan(40n)
})

test.each([
  ['a stream', true],
  ['a JSON answer', false],
])(
  'a caller who leaves before %s began pays nothing, and the provider is stopped within a second',
  async (_, stream) => {
    hosts.first.script(() => {})
    const body = hello({ model: 'test/one', stream })
    const signed = await paymentFor(body)
    await costingNothing(
      hosts,
      async () => {
        const before = hosts.first.seen.length
        const controller = new AbortController()
        const asked = post(hosts.chat, body, { 'payment-signature': signed }, controller.signal).catch(
          (error) => error.name,
        )
        await soon(() => expect(hosts.first.seen.length).toBe(before + 1))
        controller.abort()
        expect(await asked).toBe('AbortError')
        await soon(() => expect(last()).toMatchObject({ closedEarly: true }))
        await vi.waitFor(async () => expect(await hosts.farebox.deps.ledger.open()).toEqual([]))
      },
      1,
    )
  },
)

test('a caller who left while its payment was checked costs the provider nothing', async () => {
  const body = hello({ model: 'test/one' })
  const signed = await paymentFor(body)
  await costingNothing(hosts, async () => {
    const visit = {
      order: orderOf(body),
      payment: () => readPayment(signed, undefined),
      payer: undefined,
      signal: AbortSignal.abort(),
    }
    await expect(run(hosts.farebox.deps, visit)).rejects.toMatchObject({ code: 'upstream_failed' })
  })
})

test('a caller who does not read makes the provider wait, not our memory grow', async () => {
  let written = 0
  hosts.first.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ content: 'so' }))
    const event = `data: ${JSON.stringify({ ...chunk({}), padding: 'x'.repeat(60_000) })}\n\n`
    const more = (): void => {
      while (!response.destroyed) {
        written += event.length
        if (!response.write(event)) break
      }
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  })
  const body = JSON.stringify(hello({ model: 'test/one', stream: true }))
  const signed = await paymentFor(body)
  const { hostname, port } = new URL(hosts.chat)
  const socket = connect(Number(port), hostname).pause()
  socket.write(
    `${[...postLines('/v1/chat/completions', body, [`PAYMENT-SIGNATURE: ${signed}`]), '', ''].join('\r\n')}${body}`,
  )
  let seen = -1
  const stands = async () => {
    const still = written > 0 && written === seen
    seen = written
    expect(still).toBe(true)
  }
  await vi.waitFor(stands, { timeout: 10_000, interval: 250 })
  expect(written).toBeLessThan(64 << 20)
  socket.destroy()
  await soon(() => expect(last()).toMatchObject({ closedEarly: true }))
  await vi.waitFor(async () => {
    const serving = (await hosts.farebox.deps.ledger.open()).filter((call) => call.service.at === 'streaming')
    expect(serving).toEqual([])
  })
})

test('a provider that only keeps the line alive in the middle of an answer is given up', async () => {
  hosts.first.script(({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ content: 'so' }))
    const timer = setInterval(() => response.write(': wait\n\n'), 50)
    response.on('close', () => clearInterval(timer))
  })
  const response = await hosts.buy(hello({ model: 'test/one', stream: true }))
  expect(await response.text()).toContain('"code":"stream_broken"')
  await soon(() => expect(last()).toMatchObject({ closedEarly: true }))
})
