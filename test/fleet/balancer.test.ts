import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as tcpServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { startBalancer } from '../support/balancer.ts'
import { freePort } from '../support/redis.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const serveAt = async (port: number, listener: RequestListener): Promise<Server> => {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return server
}

/** An instance that says its name and what it was sent. */
const named = async (name: string, state = { ready: true }) => {
  const port = await freePort()
  const seen: string[] = []
  const server = await serveAt(port, async (request, response) => {
    if (request.url === '/readyz') return void response.writeHead(state.ready ? 200 : 503).end()
    let body = ''
    for await (const part of request) body += part
    seen.push(body)
    response.writeHead(200, { 'x-name': name }).end(`${name} ${request.method} ${request.url} ${body}`)
  })
  return { url: `http://127.0.0.1:${port}`, port, seen, state, server }
}

const balance = async (targets: string[], checkMs = 20) => {
  const balancer = await startBalancer({ targets, checkMs })
  ends.push(balancer.close)
  return balancer
}

test('requests go to the instances in turn, whole and unchanged', async () => {
  const both = [await named('one'), await named('two')]
  const { url } = await balance(both.map((one) => one.url))
  const answers: string[] = []
  for (const body of ['a', 'b', 'c', 'd'])
    answers.push(await (await fetch(`${url}/x?y=1`, { method: 'POST', body })).text())
  expect(answers.map((text) => text.slice(3))).toEqual([
    ' POST /x?y=1 a',
    ' POST /x?y=1 b',
    ' POST /x?y=1 c',
    ' POST /x?y=1 d',
  ])
  expect(both.map(({ seen }) => seen.length)).toEqual([2, 2])
})

test('an instance that refuses the connection costs no request, and its body arrives elsewhere', async () => {
  const alive = await named('alive')
  const dead = `http://127.0.0.1:${await freePort()}`
  // Without checks only the refusal itself tells.
  const { url, inRotation } = await balance([dead, alive.url], 0)
  const body = 'x'.repeat(1 << 20)
  const texts = await Promise.all(
    Array.from({ length: 4 }, async () => (await fetch(url, { method: 'POST', body })).text()),
  )
  expect(texts.every((text) => text === `alive POST / ${body}`)).toBe(true)
  expect(inRotation()).toEqual([1])
})

test('a request that an instance may have read is never sent to another one', async () => {
  const other = await named('other')
  let taken = 0
  const cruel = tcpServer((socket) =>
    socket.once('data', () => {
      taken++
      socket.destroy()
    }),
  )
  await new Promise<void>((resolve) => cruel.listen(0, '127.0.0.1', resolve))
  ends.push(() => cruel.close())
  const { url } = await balance([`http://127.0.0.1:${(cruel.address() as AddressInfo).port}`, other.url], 0)
  const pay = async () => (await fetch(url, { method: 'POST', body: 'pay' })).status
  expect([await pay(), await pay(), await pay()]).toEqual([502, 200, 200])
  expect([taken, other.seen.length]).toEqual([1, 2])
})

test('an instance that is not ready gets nothing until it is', async () => {
  const [one, two] = [await named('one'), await named('two')]
  const { url, settled } = await balance([one.url, two.url])
  two.state.ready = false
  await settled([0])
  for (let i = 0; i < 4; i++) expect((await fetch(url)).headers.get('x-name')).toBe('one')
  one.state.ready = false
  await settled([])
  const nobody = await fetch(url)
  expect([nobody.status, nobody.headers.get('retry-after')]).toEqual([503, '1'])
  two.state.ready = true
  await settled([1])
  expect((await fetch(url)).headers.get('x-name')).toBe('two')
})

test('a stream passes through as it comes, and one that breaks off ends broken', async () => {
  let go = () => {}
  let left = () => {}
  const port = await freePort()
  await serveAt(port, async (request, response) => {
    if (request.url === '/readyz') return void response.writeHead(200).end()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    response.on('close', () => left())
    await new Promise<void>((resolve) => {
      go = resolve
    })
    response.write('data: 2\n\n')
    await sleep(10)
    if (request.url === '/break') response.destroy()
    else response.end()
  })
  const { url } = await balance([`http://127.0.0.1:${port}`])
  const read = async (path: string) => {
    const reader = (await fetch(`${url}${path}`)).body!.getReader()
    const first = new TextDecoder().decode((await reader.read()).value)
    go()
    let rest = ''
    for (let part = await reader.read(); !part.done; part = await reader.read())
      rest += new TextDecoder().decode(part.value)
    return [first, rest]
  }
  expect(await read('/whole')).toEqual(['data: 1\n\n', 'data: 2\n\n'])
  await expect(read('/break')).rejects.toThrow()

  const gone = new Promise<void>((resolve) => {
    left = resolve
  })
  const leaving = new AbortController()
  await (await fetch(`${url}/whole`, { signal: leaving.signal })).body!.getReader().read()
  leaving.abort()
  await gone
})

test('a slow caller does not make the balancer hold its answer in memory', async () => {
  const port = await freePort()
  let written = 0
  const size = 64 << 20
  await serveAt(port, (request, response) => {
    if (request.url === '/readyz') return void response.writeHead(200).end()
    response.writeHead(200)
    const more = () => {
      while (written < size) {
        written += 1 << 16
        if (!response.write(Buffer.alloc(1 << 16))) return void response.once('drain', more)
      }
      response.end()
    }
    more()
  })
  const { url } = await balance([`http://127.0.0.1:${port}`])
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  ends.push(() => socket.destroy())
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  let before = -1
  while (written === 0 || written > before) {
    before = written
    await sleep(150)
  }
  expect(written).toBeLessThan(size / 2)
})
