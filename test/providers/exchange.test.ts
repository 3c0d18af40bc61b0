import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Pool } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Incoming, type Outgoing, post } from '../../src/providers/exchange.ts'

/** What a connection gets to say, once for each request that came on it. */
type Talk = (socket: Socket, nth: number) => void

let server: Server
let pool: Pool
let sockets: Socket[]
let talk: Talk
beforeEach(async () => {
  sockets = []
  let asked = 0
  server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      if (bytes.includes('POST /')) talk(socket, ++asked)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  pool = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { bodyTimeout: 300 })
})
afterEach(async () => {
  await pool.destroy()
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

const ask = (more: Partial<Outgoing> = {}): Promise<Incoming> =>
  post(pool, {
    path: '/',
    headers: {},
    body: '{}',
    headersTimeout: 5_000,
    signal: new AbortController().signal,
    ...more,
  })
const whole = (body: string): string => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`
const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
const read = async (incoming: Incoming): Promise<string> => {
  const parts: Buffer[] = []
  for await (const chunks of incoming.chunks()) parts.push(...chunks)
  return Buffer.concat(parts).toString('utf8')
}

test('an answer is its status, its headers and its body', async () => {
  talk = (socket) => void socket.write('HTTP/1.1 429 No\r\nRetry-After: 7\r\ncontent-length: 3\r\n\r\né!')
  const incoming = await ask()
  expect([incoming.status, incoming.header('retry-after'), incoming.header('x')]).toEqual([
    429,
    '7',
    undefined,
  ])
  expect(await incoming.text(100)).toBe('é!')
})

test('an answer without a body is an empty one, read either way', async () => {
  talk = (socket) => void socket.write('HTTP/1.1 204 No\r\n\r\n')
  expect(await (await ask()).text(10)).toBe('')
  expect(await read(await ask())).toBe('')
})

test('what arrives in one piece of the network is given in one piece, whatever it was cut into', async () => {
  talk = (socket) => void socket.write(`${CHUNKED}${'1\r\na\r\n'.repeat(20)}0\r\n\r\n`)
  const turns: number[] = []
  for await (const chunks of (await ask()).chunks()) turns.push(chunks.length)
  expect(turns).toEqual([20])
})

test('what comes alone is given at once', async () => {
  talk = (socket) => void socket.write(`${CHUNKED}1\r\na\r\n`)
  const chunks = (await ask()).chunks()
  expect(String((await chunks.next()).value)).toBe('a')
  const next = chunks.next()
  sockets[0]!.write('1\r\nb\r\n')
  expect(String((await next).value)).toBe('b')
  await chunks.return(undefined)
})

test('a question that was taken back before it was asked is never sent', async () => {
  const signal = AbortSignal.abort(new Error('too late'))
  await expect(ask({ signal })).rejects.toThrow('too late')
  expect(sockets).toHaveLength(0)
})

test('a question that is taken back before its answer ends at once, and its connection with it', async () => {
  const controller = new AbortController()
  const closed = new Promise<void>((resolve) => {
    talk = (socket) => {
      socket.on('close', () => resolve())
      controller.abort(new Error('left'))
    }
  })
  await expect(ask({ signal: controller.signal })).rejects.toThrow('left')
  await closed
})

test('a question that is taken back in the middle of its answer ends at once, read either way', async () => {
  for (const reading of [read, (one: Incoming) => one.text(100)]) {
    const controller = new AbortController()
    let closed: Promise<void> | undefined
    talk = (socket) => {
      closed = new Promise((resolve) => socket.on('close', () => resolve()))
      socket.write(`${CHUNKED}1\r\na\r\n`)
    }
    const body = reading(await ask({ signal: controller.signal }))
    controller.abort(new Error('left'))
    await expect(body).rejects.toThrow('left')
    await closed
  }
})

test('whoever stops reading ends the request', async () => {
  let closed: Promise<void> | undefined
  talk = (socket) => {
    closed = new Promise((resolve) => socket.on('close', () => resolve()))
    socket.write(`${CHUNKED}1\r\na\r\n`)
  }
  for await (const chunks of (await ask()).chunks()) {
    expect(String(chunks[0])).toBe('a')
    break
  }
  await closed
})

test('an answer that breaks off gives what came, and then fails', async () => {
  talk = (socket) => void socket.end(`${CHUNKED}1\r\na\r\n`)
  const chunks = (await ask()).chunks()
  expect(String((await chunks.next()).value)).toBe('a')
  await expect(chunks.next()).rejects.toThrow()
  talk = (socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc')
  await expect((await ask()).text(100)).rejects.toThrow()
})

test('a connection that closes before its answer is an error', async () => {
  talk = (socket) => void socket.end()
  await expect(ask()).rejects.toThrow()
})

test('an answer that is too long is undefined, and the rest is not waited for', async () => {
  let closed: Promise<void> | undefined
  talk = (socket) => {
    closed = new Promise((resolve) => socket.on('close', () => resolve()))
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n${'x'.repeat(2 << 20)}`)
  }
  expect(await (await ask()).text(1 << 20)).toBeUndefined()
  await closed
})

test('an answer that stops coming is a timeout', async () => {
  talk = (socket) => void socket.write(`${CHUNKED}1\r\na\r\n`)
  await expect(read(await ask())).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' })
  talk = () => {}
  await expect(ask({ headersTimeout: 200 })).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' })
})

test('what is said without being asked belongs to no answer', async () => {
  talk = (socket, nth) => void socket.write(whole(`${nth}`) + (nth === 1 ? whole('junk') : ''))
  expect(await (await ask()).text(10)).toBe('1')
  expect(await (await ask()).text(10)).toBe('2')
})

test('a connection is used again after an answer, and after an error there is a new one', async () => {
  talk = (socket, nth) => void (nth === 3 ? socket.destroy() : socket.write(whole(`${nth}`)))
  expect(await (await ask()).text(10)).toBe('1')
  await new Promise(setImmediate)
  expect(await read(await ask())).toBe('2')
  expect(sockets).toHaveLength(1)
  await new Promise(setImmediate)
  await expect(ask()).rejects.toThrow()
  expect(await (await ask()).text(10)).toBe('4')
  expect(sockets).toHaveLength(2)
})

test('a slow reader holds up the sender, not the memory, and misses nothing', async () => {
  const size = 64 << 20
  let sent = 0
  talk = (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
    const more = (): void => {
      while (sent < size) {
        sent += 1 << 20
        if (!socket.write(Buffer.alloc(1 << 20))) return void socket.once('drain', more)
      }
    }
    more()
  }
  const chunks = (await ask()).chunks()
  await chunks.next()
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(sent).toBeLessThan(size / 2)
  let seen = 0
  for (let next = await chunks.next(); !next.done; next = await chunks.next())
    for (const chunk of next.value) seen += chunk.length
  expect(seen).toBeGreaterThan(size - (4 << 20))
})
