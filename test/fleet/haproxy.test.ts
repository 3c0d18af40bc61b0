import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as tcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../support/redis.ts'

/** The balancer of docker-compose.yml, before instances that are scripted. */
const CONFIG = join(import.meta.dirname, '../../docker/haproxy/haproxy.cfg')
const there = spawnSync('haproxy', ['-v'], { stdio: 'ignore' }).error === undefined

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

type Instance = { port: number; ready: boolean; seen: IncomingMessage[]; stop: () => Promise<void> }

const instance = async (
  answer: (request: IncomingMessage, response: ServerResponse) => unknown = (_, response) =>
    response.end('ok'),
): Promise<Instance> => {
  const state = { ready: true, seen: [] as IncomingMessage[] }
  const server: Server = createServer(async (request, response) => {
    if (request.url === '/readyz') return void response.writeHead(state.ready ? 200 : 503).end()
    state.seen.push(request)
    request.resume()
    await answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  ends.push(stop)
  return Object.assign(state, { port: (server.address() as AddressInfo).port, stop })
}

const balance = async (ports: readonly number[]): Promise<{ url: string; own: string }> => {
  const [front, own] = [await freePort(), await freePort()]
  const servers = ports.map((port, i) => `    server farebox-${i + 1} 127.0.0.1:${port}`).join('\n')
  const text = readFileSync(CONFIG, 'utf8')
    .replace('bind :8402', `bind 127.0.0.1:${front}`)
    .replace('bind :8405', `bind 127.0.0.1:${own}`)
    .replace(' resolvers docker init-addr none', '')
    .replace(/( +server farebox-\d.*\n)+/, `${servers}\n`)
  const dir = mkdtempSync(join(tmpdir(), 'farebox-haproxy-'))
  const file = join(dir, 'haproxy.cfg')
  writeFileSync(file, text)
  const child: ChildProcess = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  ends.push(async () => {
    child.kill('SIGKILL')
    await gone
    rmSync(dir, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${front}`
  await until(async () => (await fetch(`${url}/up`)).status !== 503)
  return { url, own: `http://127.0.0.1:${own}` }
}

const until = async (holds: () => Promise<boolean>, ms = 10_000): Promise<void> => {
  const end = Date.now() + ms
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error('waited in vain')
    await sleep(50)
  }
}
const statuses = (url: string, times: number) =>
  Promise.all(
    Array.from({ length: times }, async () => (await fetch(url, { method: 'POST', body: 'pay' })).status),
  )

describe.skipIf(!there)('the balancer of the fleet', () => {
  test('sends each event of a stream on at once', async () => {
    let go = () => {}
    const one = await instance(async (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      if (request.url === '/stream')
        await new Promise<void>((resolve) => {
          go = resolve
        })
      response.end('data: 2\n\n')
    })
    const { url } = await balance([one.port])
    const reader = (await fetch(`${url}/stream`)).body!.getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: 1\n\n')
    go()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: 2\n\n')
  })

  test('loses no request when an instance is gone', async () => {
    const [one, two] = [await instance(), await instance()]
    const { url } = await balance([one.port, two.port])
    await until(async () => (await statuses(url, 4)).every((status) => status === 200) && two.seen.length > 0)
    await one.stop()
    expect(await statuses(url, 20)).toEqual(new Array(20).fill(200))
  })

  test('never sends twice what an instance may have read', async () => {
    let taken = 0
    const cruel = tcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (part) => {
        if (String(part).includes('/readyz'))
          return void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
        taken++
        socket.destroy()
      })
    })
    await new Promise<void>((resolve) => cruel.listen(0, '127.0.0.1', resolve))
    ends.push(() => cruel.close())
    const kind = await instance()
    const { url } = await balance([(cruel.address() as AddressInfo).port, kind.port])
    const before = { taken, seen: kind.seen.length }
    const answers = await statuses(url, 6)
    const broken = answers.filter((status) => status === 502).length
    expect(broken).toBeGreaterThan(0)
    expect(taken - before.taken).toBe(broken)
    expect(kind.seen.length - before.seen).toBe(6 - broken)
  })

  test('leaves an instance that is not ready alone, and lets its streams end', async () => {
    let go = () => {}
    const leaving = await instance(async (request, response) => {
      response.writeHead(200).write('a')
      if (request.url === '/stream')
        await new Promise<void>((resolve) => {
          go = resolve
        })
      response.end('b')
    })
    const { url } = await balance([leaving.port])
    const stream = await fetch(`${url}/stream`)
    leaving.ready = false
    await until(async () => (await fetch(url)).status === 503)
    const none = await fetch(url)
    expect([
      none.headers.get('retry-after'),
      ((await none.json()) as { error: { code: string } }).error.code,
    ]).toEqual(['1', 'unavailable'])
    go()
    expect(await stream.text()).toBe('ab')
    leaving.ready = true
    await until(async () => (await fetch(url)).status === 200)
  })

  test('says who asks, and lets nobody say otherwise; metrics stay inside', async () => {
    const one = await instance()
    const { url, own } = await balance([one.port])
    await fetch(`${url}/who`, { headers: { 'x-forwarded-for': '10.9.8.7' } })
    expect(one.seen.at(-1)?.headers['x-forwarded-for']).toBe('127.0.0.1')
    const count = one.seen.length
    expect((await fetch(`${url}/metrics`)).status).toBe(404)
    expect(one.seen.length).toBe(count)
    expect(await (await fetch(`${own}/metrics`)).text()).toContain('haproxy_server_status')
  })
})
