import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, test } from 'vitest'
import { createDrain } from '../../src/http/drain.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A server whose answers end when they are told to. */
const start = async () => {
  const answers: ServerResponse[] = []
  const server = createServer((_, response) => void answers.push(response))
  const drain = createDrain(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true })
  const ask = () =>
    new Promise<{ head: IncomingMessage; text: Promise<string> }>((resolve, reject) => {
      get({ port, host: '127.0.0.1', agent }, (head) => {
        const parts: Buffer[] = []
        head.on('data', (part: Buffer) => parts.push(part))
        const text = new Promise<string>((done) =>
          head.on('close', () => done(Buffer.concat(parts).toString('utf8'))),
        )
        resolve({ head, text })
      }).on('error', reject)
    })
  const next = async () => {
    while (answers.length === 0) await pause(2)
    return answers.shift()!
  }
  return { server, drain, port, ask, next }
}

const patient = { delayMs: 0, ms: 5_000, cut: () => {} }

test('what has begun is ended whole, its connection is closed, and the port is free at once', async () => {
  const { drain, ask, next, port } = await start()
  const [whole, stream] = [ask(), ask()]
  const [first, second] = [await next(), await next()]
  second.write('one ')
  const ended = drain.end(patient)
  expect([drain.leaving(), drain.ending()]).toEqual([true, true])
  const again = createServer()
  await new Promise<void>((resolve) => again.listen(port, '127.0.0.1', resolve))
  again.close()
  first.end('whole')
  const { head, text } = await whole
  expect([head.headers.connection, await text]).toEqual(['close', 'whole'])
  second.end('two')
  expect(await (await stream).text).toBe('one two')
  const from = performance.now()
  await ended
  expect(performance.now() - from).toBeLessThan(1_000)
})

test('connections that do nothing are closed: one that was used, and one that never was', async () => {
  const { drain, ask, next, port } = await start()
  const used = ask()
  ;(await next()).end('x')
  await (await used).text
  const fresh = connect(port, '127.0.0.1').on('error', () => {})
  await new Promise((resolve) => fresh.once('connect', resolve))
  const closed = new Promise((resolve) => fresh.once('close', resolve))
  const from = performance.now()
  await drain.end(patient)
  await closed
  expect(performance.now() - from).toBeLessThan(1_000)
})

test('for a while after the end was ordered calls are still taken, and the instance says that it is leaving', async () => {
  const { drain, ask, next } = await start()
  const ended = drain.end({ ...patient, delayMs: 300 })
  expect([drain.leaving(), drain.ending()]).toEqual([true, false])
  const late = ask()
  ;(await next()).end('late')
  expect(await (await late).text).toBe('late')
  await ended
  await expect(ask()).rejects.toThrow(/ECONNREFUSED|hang up/)
})

test('what does not end in time is told to, and has time for its last words', async () => {
  const { drain, ask, next } = await start()
  const asked = ask()
  const stream = await next()
  stream.write('on and on')
  const told: string[] = []
  const cut = (why: string) => {
    told.push(why)
    setTimeout(() => stream.end(', and out'), 50)
  }
  await drain.end({ delayMs: 0, ms: 100, cut })
  expect(told).toEqual(['this instance is shutting down'])
  expect(await (await asked).text).toBe('on and on, and out')
})

test('who listens to nothing is cut off, and the bill is still waited for', async () => {
  const { drain, ask, next } = await start()
  const asked = ask().catch(() => undefined)
  const answer = await next()
  let billed = false
  const work = async () => {
    await new Promise((resolve) => answer.once('close', resolve))
    await pause(100)
    billed = true
  }
  void drain.track(work())
  await drain.end({ delayMs: 0, ms: 50, cut: () => {} })
  expect(billed).toBe(true)
  await asked
}, 10_000)
