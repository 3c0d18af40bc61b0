import { createSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { openResolve, systemResolve } from '../../src/alerts/resolve.ts'
import { createSend, type SendFacts } from '../../src/alerts/send.ts'
import { openReceiver, PRIVATE } from './world.ts'

const open: { close: () => unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})
const kept = <T extends { close: () => unknown }>(one: T): T => {
  open.push(one)
  return one
}
const post = (url: string, facts: Partial<SendFacts> = {}, signal = new AbortController().signal) =>
  createSend({ targets: () => PRIVATE, timeoutMs: 400, ...facts })(
    { url, headers: { a: 'b' }, body: '{}' },
    signal,
  )

/** A server that says what it likes. */
const openRaw = async (talk: (socket: Socket) => void): Promise<{ url: string; bytes: () => number }> => {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => talk(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  kept({
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}/`,
    bytes: () => [...sockets].reduce((all, one) => all + one.bytesWritten, 0),
  }
}

test('an answer of 2xx is a success, and its body is not kept', async () => {
  const receiver = kept(await openReceiver(() => 204))
  expect(await post(receiver.url)).toEqual({ ms: expect.any(Number), status: 204 })
  expect(receiver.got[0]).toMatchObject({ url: '/in?a=1', body: '{}', headers: { a: 'b' } })
})

test('a redirect is a failure, and is not followed', async () => {
  const receiver = kept(await openReceiver(() => 302))
  expect(await post(receiver.url)).toMatchObject({ status: 302, why: 'redirects are not followed' })
  expect(receiver.got).toHaveLength(1)
})

test.each([400, 410, 500])('an answer of %i is a failure', async (status) => {
  const receiver = kept(await openReceiver(() => status))
  expect(await post(receiver.url)).toMatchObject({ status, why: `it answered ${status}` })
})

test('a receiver that says nothing is given up in time', async () => {
  const receiver = kept(await openReceiver(() => 'silence'))
  const sent = await post(receiver.url)
  expect(sent).toMatchObject({ why: 'no answer in time' })
  expect(sent.ms).toBeLessThan(1_500)
})

test('a receiver that sends its headers one letter at a time is given up in time', async () => {
  const raw = await openRaw((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nx: ')
    const timer = setInterval(() => socket.write('a'), 20)
    socket.on('close', () => clearInterval(timer))
  })
  const sent = await post(raw.url)
  expect(sent).toMatchObject({ why: 'no answer in time' })
  expect(sent.ms).toBeLessThan(1_500)
})

test('an answer without end hurts nobody: its status counts, and the connection is closed', async () => {
  const raw = await openRaw((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    const part = `1000\r\n${'a'.repeat(4_096)}\r\n`
    const more = () => {
      while (!socket.destroyed && socket.write(part));
    }
    socket.on('drain', more)
    more()
  })
  const sent = await post(raw.url)
  expect(sent).toEqual({ ms: expect.any(Number), status: 200 })
  expect(sent.ms).toBeLessThan(1_500)
  expect(raw.bytes()).toBeLessThan(4 << 20)
})

test('a body that never ends by being slow does not hold the attempt', async () => {
  const raw = await openRaw((socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\na'))
  const sent = await post(raw.url)
  expect(sent).toMatchObject({ status: 200 })
  expect(sent.ms).toBeLessThan(1_500)
})

test.each([
  [
    'headers of a megabyte',
    `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(1 << 20)}\r\n\r\n`,
    'its answer was too large',
  ],
  ['what is no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n', 'its answer is not HTTP'],
])('%s are a failure in words of our own', async (_, bytes, why) => {
  const raw = await openRaw((socket) => void socket.write(bytes))
  expect(await post(raw.url)).toMatchObject({ why })
})

test('who closes without an answer, or does not listen, is told from a success', async () => {
  const raw = await openRaw((socket) => socket.destroy())
  expect((await post(raw.url)).why).toMatch(/broke off/)
  const receiver = await openReceiver()
  await receiver.close()
  expect(await post(receiver.url)).toMatchObject({ why: 'it takes no connections' })
})

test('the name is asked for once and its address is kept, so that a second answer gains nothing', async () => {
  const inner = kept(await openReceiver(() => 200))
  // 127.0.0.2 plays a public address here, and answers on the same port.
  const outer = kept(await openServerAt('127.0.0.2', inner.port))
  const answers = [['127.0.0.2'], ['127.0.0.1']]
  let asked = 0
  const resolve = async () => answers[Math.min(asked++, 1)]!
  const judge = (address: string) => (address === '127.0.0.2' ? undefined : 'private')
  const sent = await post(`http://shop.com:${inner.port}/in`, { resolve, judge })
  expect(sent).toMatchObject({ status: 200 })
  expect(asked).toBe(1)
  expect(outer.hosts).toEqual([`shop.com:${inner.port}`])
  // Had it answered so at first, nothing would have been sent.
  expect(await post(`http://shop.com:${inner.port}/in`, { resolve, judge })).toMatchObject({
    why: 'its name leads to an address that is not public',
  })
  expect(inner.got).toEqual([])
})

test('a connection to another address than the judged one is closed before a byte is sent', async () => {
  const inner = kept(await openReceiver(() => 200))
  let judged = 0
  const judge = () => (judged++ === 0 ? undefined : 'private')
  const sent = await post(`http://shop.com:${inner.port}/`, { resolve: async () => ['127.0.0.1'], judge })
  expect(sent).toEqual({ ms: expect.any(Number), why: 'its name leads to an address that is not public' })
  expect(judged).toBe(2)
  expect(inner.got).toEqual([])
})

test('TLS is asked for the name, not for the address', async () => {
  let name: string | undefined
  const tls = createTlsServer({
    SNICallback: (servername, done) => {
      name = servername
      done(new Error('no certificate here'))
    },
  })
  tls.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
  kept({ close: () => tls.close() })
  const { port } = tls.address() as { port: number }
  const sent = await post(`https://shop.com:${port}/`, { resolve: async () => ['127.0.0.1'] })
  expect(name).toBe('shop.com')
  expect(sent.why).toBeDefined()
})

test('a name without an address says so, and a resolver that hangs is given up', async () => {
  const none = async () => []
  expect(await post('http://shop.com/', { resolve: none })).toMatchObject({ why: 'its name has no address' })
  const hangs = () => new Promise<string[]>(() => {})
  expect(await post('http://shop.com/', { resolve: hangs })).toMatchObject({ why: 'no answer in time' })
})

const RCODES: Readonly<Record<string, number>> = { shop: 0, fail: 2, none: 3 }
/** A name server that answers A for `shop.*`, fails for `fail.*`, has no `none.*`, and says nothing about any other name. */
const openNames = async () => {
  const socket = kept(createSocket('udp4'))
  socket.on('message', (asked, { port }) => {
    const name = asked.subarray(13, 13 + asked[12]!).toString()
    const code = RCODES[name]
    if (code === undefined) return
    const question = asked.subarray(12, asked.indexOf(0, 12) + 5)
    const isA = asked.readUInt16BE(12 + question.length - 4) === 1
    const head = Buffer.alloc(12)
    asked.copy(head, 0, 0, 2)
    head.writeUInt16BE(0x8180 + code, 2)
    head.writeUInt16BE(1, 4)
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7])
    if (name === 'shop' && isA) head.writeUInt16BE(1, 6)
    socket.send(Buffer.concat([head, question, ...(name === 'shop' && isA ? [answer] : [])]), port)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return openResolve([`127.0.0.1:${socket.address().port}`])
}

test('a name server that never answers keeps no other name waiting', async () => {
  const resolve = await openNames()
  const from = performance.now()
  for (let i = 0; i < 16; i++) resolve(`slow${i}.net`).catch(() => {})
  await systemResolve('localhost')
  expect(await resolve('shop.net')).toEqual(['192.0.2.7'])
  await expect(resolve('none.net')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  expect(performance.now() - from).toBeLessThan(2_000)
  await expect(resolve('fail.net')).rejects.toMatchObject({ code: 'EAI_AGAIN' })
})

const openServerAt = async (host: string, port: number) => {
  const hosts: string[] = []
  const { createServer: createHttp } = await import('node:http')
  const server = createHttp((request, response) => {
    hosts.push(request.headers.host ?? '')
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  return { hosts, close: () => server.close() }
}
