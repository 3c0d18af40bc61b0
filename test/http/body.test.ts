import type { Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { Refusal } from '../../src/errors.ts'
import { readBody } from '../../src/http/body.ts'
import { type Env, json, send } from '../../src/http/send.ts'

const LIMIT = 1_000
let server: Server
let port: number
let outcomes: string[]
beforeEach(async () => {
  outcomes = []
  const app = new Hono<Env>()
  app.post('/', async (c) => {
    try {
      const { a } = await readBody(c, z.strictObject({ a: z.string() }), LIMIT)
      outcomes.push('read')
      return await send(c, json({ length: a.length }))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      outcomes.push(error.code)
      return await send(c, json({ code: error.code }, 400))
    }
  })
  server = createAdaptorServer({ fetch: app.fetch }) as Server
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** A connection, and all that came on it. */
const dial = (): { socket: Socket; heard: () => string } => {
  let text = ''
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.on('data', (part) => {
    text += part.toString('latin1')
  })
  return { socket, heard: () => text }
}
const head = (length: number): string =>
  `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
const body = (a: string): string => JSON.stringify({ a })
const whole = (text: string): string => `${head(Buffer.byteLength(text))}${text}`

test('a body that comes byte by byte is the same body, characters cut in half included', async () => {
  const { socket, heard } = dial()
  const text = body('é🙂')
  socket.write(head(Buffer.byteLength(text)))
  for (const byte of Buffer.from(text)) {
    socket.write(Uint8Array.of(byte))
    await new Promise(setImmediate)
  }
  await expect.poll(heard).toContain('{"length":3}')
  socket.destroy()
})

test('two requests on one connection, sent at once, are both answered in order', async () => {
  const { socket, heard } = dial()
  socket.write(whole(body('a')) + whole(body('bb')))
  await expect.poll(heard).toMatch(/"length":1\}.*"length":2\}/s)
  socket.destroy()
})

test('junk after a request spoils the connection, not the answer before it', async () => {
  const { socket, heard } = dial()
  socket.write(`${whole(body('a'))}no such thing\r\n\r\n`)
  await expect.poll(() => outcomes).toEqual(['read'])
  await expect.poll(() => socket.destroyed || heard().includes('400')).toBe(true)
  socket.destroy()
})

test.each([
  ['by its length', () => head(5_000), 'body_too_large'],
  [
    'by what comes, before its end',
    () => `POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n${'x'.repeat(2_000)}\r\n`,
    'body_too_large',
  ],
  [
    'because it is not UTF-8',
    () => Buffer.concat([Buffer.from(head(2)), Uint8Array.of(34, 255)]),
    'invalid_json',
  ],
  ['because it is empty', () => head(0), 'invalid_json'],
] as const)('a body is refused %s, and its sender is told', async (_, bytes, code) => {
  const { socket, heard } = dial()
  socket.write(bytes())
  await expect.poll(heard).toContain(`{"code":"${code}"}`)
  expect(outcomes).toEqual([code])
  socket.destroy()
})

test('a body whose sender leaves before its end is over at once', async () => {
  const { socket } = dial()
  socket.write(`${head(100)}{"a":`)
  await expect.poll(() => new Promise((r) => server.getConnections((_, count) => r(count)))).toBe(1)
  socket.resetAndDestroy()
  await expect.poll(() => outcomes).toEqual(['invalid_json'])
})

test('a connection is used again after a body that was refused', async () => {
  const { socket, heard } = dial()
  socket.write(whole('nope'))
  await expect.poll(heard).toContain('invalid_json')
  socket.write(whole(body('abc')))
  await expect.poll(heard).toContain('{"length":3}')
  socket.destroy()
})

test('an answer in pieces is chunked as HTTP says, for a caller of HTTP 1.0 it is not, and ends the connection', async () => {
  const app = new Hono<Env>()
  const pieces = async function* () {
    yield 'é'
    yield ''
    yield 'ab'
  }
  app.get('/', (c) => send(c, { status: 200, headers: {}, body: pieces() }))
  const other = createAdaptorServer({ fetch: app.fetch }) as Server
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  port = (other.address() as AddressInfo).port
  const { socket, heard } = dial()
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n')
  const chunks = Buffer.from('2\r\né\r\n2\r\nab\r\n0\r\n\r\n').toString('latin1')
  await expect.poll(() => heard().split(chunks).length).toBe(3)
  socket.destroy()
  const old = dial()
  old.socket.write('GET / HTTP/1.0\r\nhost: x\r\n\r\n')
  await new Promise((resolve) => old.socket.once('end', resolve))
  expect(old.heard().split('\r\n\r\n')[1]).toBe(Buffer.from('éab').toString('latin1'))
  other.closeAllConnections()
  await new Promise((resolve) => other.close(resolve))
})
