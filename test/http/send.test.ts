import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { afterEach, expect, test } from 'vitest'
import type { Reply } from '../../src/call/reply.ts'
import { type Env, send } from '../../src/http/send.ts'

let server: Server | undefined
afterEach(async () => {
  server?.closeAllConnections()
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)))
  server = undefined
})

const HEADERS = { 'content-type': 'text/plain' }

/** A server whose only path sends this body. */
const serving = async (body: () => Reply['body'], stalledMs?: number): Promise<string> => {
  const app = new Hono<Env>()
  app.get('/', (c) =>
    send(c, { status: 200, headers: HEADERS, body: body() }, stalledMs).catch(() =>
      send(c, { status: 500, headers: {}, body: '' }),
    ),
  )
  const made = createAdaptorServer({ fetch: app.fetch }) as Server
  server = made
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}/`
}

/** Pieces for ever, and whether whoever made them was told to stop. */
const endless = () => {
  const state = { made: 0, stopped: false }
  const pieces = async function* (): AsyncGenerator<string> {
    try {
      for (;;) {
        state.made++
        yield 'x'.repeat(100_000)
      }
    } finally {
      state.stopped = true
    }
  }
  return { state, pieces }
}

test('a whole body comes with its length in bytes', async () => {
  const response = await fetch(await serving(() => 'é 🙂'))
  expect([response.headers.get('content-length'), await response.text()]).toEqual(['7', 'é 🙂'])
})

test('pieces arrive as they are made, in order', async () => {
  const url = await serving(async function* () {
    for (let i = 0; i < 1000; i++) yield `${i} `
  })
  expect(await (await fetch(url)).text()).toBe(Array.from({ length: 1000 }, (_, i) => `${i} `).join(''))
})

test('a stream that fails in the middle is a broken connection, never a complete answer', async () => {
  const url = await serving(async function* () {
    yield 'half an '
    throw new Error('no')
  })
  const response = await fetch(url)
  expect(response.status).toBe(200)
  await expect(response.text()).rejects.toThrow()
})

test('a reader who leaves stops the stream', async () => {
  const { state, pieces } = endless()
  const controller = new AbortController()
  const response = await fetch(await serving(pieces), { signal: controller.signal })
  await response.body!.getReader().read()
  controller.abort()
  await expect.poll(() => state.stopped).toBe(true)
})

test('a reader who takes nothing is waited for, and then no more', async () => {
  const { state, pieces } = endless()
  const { hostname, port } = new URL(await serving(pieces, 300))
  const socket = connect(Number(port), hostname).pause()
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await expect.poll(() => state.stopped, { timeout: 5000 }).toBe(true)
  expect(state.made).toBeLessThan(1000)
  socket.destroy()
})

test('without a socket the same reply is a web response', async () => {
  const app = new Hono<Env>()
  const { state, pieces } = endless()
  app.get('/text', (c) => send(c, { status: 201, headers: HEADERS, body: 'hi' }))
  app.get('/endless', (c) => send(c, { status: 200, headers: HEADERS, body: pieces() }))
  const whole = await app.request('/text')
  expect([whole.status, await whole.text()]).toEqual([201, 'hi'])
  const reader = (await app.request('/endless')).body!.getReader()
  await reader.read()
  await reader.cancel()
  expect(state.stopped).toBe(true)
})
