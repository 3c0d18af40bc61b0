import type { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { createConnections } from '../../src/admit/connections.ts'
import type { Reply } from '../../src/call/reply.ts'
import { createApp } from '../../src/http/app.ts'
import { readBody } from '../../src/http/body.ts'
import { json, type Resource } from '../../src/http/resources.ts'
import { type Cut, createNodeServer, listen, type ServerFacts } from '../../src/http/server.ts'
import type { Log } from '../../src/log.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

type House = { port: number; cuts: Cut[]; errors: string[]; server: Server; answered: () => number }

/** A server with hard limits: /whole takes a body, /wait answers after a while, /large sends 30 MB, /drip an endless stream. */
const start = async (more: Partial<ServerFacts> = {}, most = 100): Promise<House> => {
  const cuts: Cut[] = []
  const errors: string[] = []
  let answered = 0
  const log: Log = { info: () => {}, warn: () => {}, error: (event) => void errors.push(event) } as Log
  const of = (method: 'get' | 'post', path: string, answer: Resource['answer']): Resource => ({
    method,
    path,
    summary: 'A path for tests.',
    paid: false,
    answer: (c) => {
      answered++
      return answer(c)
    },
  })
  const drip = async function* (): AsyncGenerator<string> {
    for (;;) yield 'x'.repeat(100_000)
  }
  const large: Reply = { status: 200, headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(30 << 20) }
  const app = createApp({
    publicUrl: 'https://router.test',
    log,
    readerMs: 300,
    stalled: () => void cuts.push('slow_reader'),
    resources: [
      of('post', '/whole', async (c) => json(await readBody(c, z.unknown(), 1000))),
      of('get', '/wait', async () => {
        await pause(200)
        return json({ ok: true })
      }),
      of('get', '/large', async () => large),
      of('get', '/drip', async () => ({ ...large, body: drip() })),
    ],
  })
  const server = createNodeServer((request, env) => app.fetch(request, env), {
    headersMs: 300,
    requestMs: 600,
    maxConnections: 1_000,
    connections: createConnections({ most, isFree: () => false }),
    cut: (why) => void cuts.push(why),
    ...more,
  })
  const port = await listen(server, '127.0.0.1', 0)
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port, cuts, errors, server, answered: () => answered }
}

/** A connection, what came back on it, and how long it lived. */
const visit = (port: number, { reads = true } = {}) => {
  const from = performance.now()
  const state = { text: '', closed: false, ms: 0 }
  const socket: Socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.on('close', () => {
    state.closed = true
    state.ms = performance.now() - from
  })
  if (reads) socket.on('data', (part) => (state.text += part.toString('latin1')))
  else socket.pause()
  closing.push(() => socket.destroy())
  return { socket, state }
}
const closed = (state: { closed: boolean }, timeout = 5_000) =>
  expect.poll(() => state.closed, { timeout }).toBe(true)

test('who never finishes its headers is told 408 and cut', async () => {
  const { port, cuts, answered } = await start()
  const { socket, state } = visit(port)
  socket.write('GET /wait HTTP/1.1\r\nHost: x\r\n')
  const timer = setInterval(() => socket.write('X-Slow: 1\r\n'), 50)
  await closed(state)
  clearInterval(timer)
  expect(state.text).toMatch(/^HTTP\/1\.1 408 /)
  expect(JSON.parse(state.text.split('\r\n\r\n')[1]!).error).toMatchObject({
    code: 'request_too_slow',
    message: 'The request did not arrive in time.',
    hint: 'Send it again, whole: nothing was charged.',
  })
  expect(state.ms).toBeLessThan(1_500)
  expect(cuts).toEqual(['slow_headers'])
  expect(answered()).toBe(0)
})

test('who connects and says nothing is cut', async () => {
  const { port, cuts } = await start()
  const { state } = visit(port)
  await closed(state)
  expect(state.ms).toBeLessThan(1_500)
  expect(cuts).toEqual(['slow_headers'])
})

test('who never finishes its body is told 408 and cut, and that is no mistake of ours', async () => {
  const { port, cuts, errors } = await start()
  const { socket, state } = visit(port)
  socket.write(
    'POST /whole HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{',
  )
  const timer = setInterval(() => socket.write(' '), 50)
  await closed(state)
  clearInterval(timer)
  await pause(50)
  expect(state.text).toMatch(/^HTTP\/1\.1 408 /)
  expect(state.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
  expect(state.ms).toBeGreaterThan(500)
  expect(state.ms).toBeLessThan(2_000)
  expect(cuts).toEqual(['slow_body'])
  expect(errors).toEqual([])
})

test('who leaves in the middle of its body is no mistake of ours', async () => {
  const { port, errors, answered } = await start()
  const { socket } = visit(port)
  socket.write(
    'POST /whole HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{',
  )
  await expect.poll(answered).toBe(1)
  socket.resetAndDestroy()
  await pause(100)
  expect(errors).toEqual([])
})

test('an answer that takes long is not a slow request', async () => {
  const { port, cuts } = await start({ headersMs: 50, requestMs: 100 })
  const { socket, state } = visit(port)
  socket.write('GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await closed(state)
  expect(state.text).toMatch(/^HTTP\/1\.1 200 /)
  expect(cuts).toEqual([])
})

test.each(['/large', '/drip'])('who asks for much and reads nothing is cut: %s', async (path) => {
  const { port, cuts } = await start()
  const { socket, state } = visit(port, { reads: false })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await expect.poll(() => cuts, { timeout: 5_000 }).toEqual(['slow_reader'])
  socket.resume()
  await closed(state)
})

test('who reads slowly but reads is not cut', async () => {
  const { port, cuts } = await start()
  const { socket } = visit(port, { reads: false })
  socket.write('GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  let size = 0
  socket.on('data', (part) => {
    size += part.length
  })
  for (let i = 0; i < 8; i++) {
    socket.resume()
    await pause(3)
    socket.pause()
    await pause(150)
  }
  socket.resume()
  await expect.poll(() => size, { timeout: 5_000 }).toBeGreaterThan(30 << 20)
  expect(cuts).toEqual([])
})

test('one address has so many connections; the next is told 429, and one that ends makes room', async () => {
  const { port, cuts, answered } = await start({ headersMs: 5_000, requestMs: 5_000 }, 3)
  const open = [visit(port), visit(port), visit(port)]
  await pause(50)
  const fourth = visit(port)
  fourth.socket.write('GET /wait HTTP/1.1\r\nHost: x\r\n\r\n')
  await closed(fourth.state)
  expect(fourth.state.text).toMatch(/^HTTP\/1\.1 429 /)
  expect(fourth.state.text).toMatch(/retry-after: 1\r\n/)
  expect(fourth.state.text).toContain('rate_limited')
  expect([cuts, answered()]).toEqual([['too_many_of_address'], 0])
  open[0]!.socket.destroy()
  await pause(50)
  const fifth = visit(port)
  fifth.socket.write('GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await closed(fifth.state)
  expect(fifth.state.text).toMatch(/^HTTP\/1\.1 200 /)
})

test('there are so many connections in all, and those beyond are closed at once', async () => {
  const { port, cuts } = await start({ maxConnections: 2, headersMs: 5_000, requestMs: 5_000 })
  visit(port)
  visit(port)
  await pause(50)
  const third = visit(port)
  await closed(third.state)
  expect(third.state.ms).toBeLessThan(1_000)
  expect(cuts).toEqual(['too_many'])
})

test('a connection may ask for so much before it has read its answers', async () => {
  const { port, cuts, answered } = await start()
  const { socket, state } = visit(port)
  socket.write('GET /wait HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500))
  await closed(state)
  const statuses = [...state.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1])
  expect(statuses.slice(0, 16)).toEqual(new Array(16).fill('200'))
  expect(statuses[16]).toBe('429')
  expect(answered()).toBe(16)
  expect(cuts[0]).toBe('pipelined')
})

test('a hundred slow writers keep nobody else from being answered', async () => {
  const { port } = await start({ requestMs: 2_000 }, 1_000)
  for (let i = 0; i < 100; i++) {
    const { socket } = visit(port)
    socket.write(
      'POST /whole HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{',
    )
  }
  const from = performance.now()
  expect((await fetch(`http://127.0.0.1:${port}/wait`)).status).toBe(200)
  expect(performance.now() - from).toBeLessThan(1_500)
})
