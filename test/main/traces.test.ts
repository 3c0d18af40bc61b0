import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { parentOf } from '../../src/call/trace.ts'
import { systemClock } from '../../src/clock.ts'
import { traces as settings } from '../../src/config/traces.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { quietLog } from '../../src/log.ts'
import { openTraces } from '../../src/main/traces.ts'

type Attribute = { key: string; value: Record<string, unknown> }
type Sent = {
  resourceSpans: {
    resource: { attributes: Attribute[] }
    scopeSpans: { spans: (Record<string, unknown> & { attributes: Attribute[] })[] }[]
  }[]
}

/** A collector that answers with a status. */
const startCollector = async (status = 200) => {
  const got: { url: string; type: string | undefined; body: Sent }[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = JSON.parse(Buffer.concat(parts).toString('utf8')) as Sent
    got.push({ url: request.url!, type: request.headers['content-type'], body })
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, got, close: () => new Promise((resolve) => server.close(resolve)) }
}

const ledger = () => memoryLedger({ clock: systemClock })
const spansOf = ({ body }: { body: Sent }) => body.resourceSpans[0]!.scopeSpans[0]!.spans

test('spans reach a collector as OTLP says, those that wait at the latest when the router closes', async () => {
  const collector = await startCollector()
  const opened = await openTraces({
    settings: { endpoint: `${collector.url}/`, sample: 1 },
    ledger: ledger(),
    log: quietLog,
  })
  const root = opened!.tracer.start('POST /somewhere', undefined, {
    'http.route': '/somewhere',
    left: undefined,
  })
  const child = root.child(
    'chat a-model',
    { 'gen_ai.usage.input_tokens': 12, ratio: 0.5, whole: true },
    'client',
  )
  child.end('timeout')
  child.set({ late: 'ignored' })
  root.end()
  root.end('ignored')
  await opened!.close()
  await collector.close()

  expect(collector.got.map(({ url, type }) => [url, type])).toEqual([['/v1/traces', 'application/json']])
  const { body } = collector.got[0]!
  expect(body.resourceSpans[0]!.resource.attributes).toEqual([
    { key: 'service.name', value: { stringValue: 'farebox' } },
  ])
  const [inner, outer] = spansOf(collector.got[0]!)
  expect(outer).toMatchObject({
    name: 'POST /somewhere',
    kind: 2,
    traceId: root.traceId,
    status: { code: 0 },
  })
  expect(outer!.attributes).toEqual([{ key: 'http.route', value: { stringValue: '/somewhere' } }])
  expect(outer!['parentSpanId']).toBeUndefined()
  expect(inner).toMatchObject({
    name: 'chat a-model',
    kind: 3,
    traceId: root.traceId,
    parentSpanId: outer!['spanId'],
    status: { code: 2, message: 'timeout' },
  })
  expect(inner!.attributes).toEqual([
    { key: 'gen_ai.usage.input_tokens', value: { intValue: '12' } },
    { key: 'ratio', value: { doubleValue: 0.5 } },
    { key: 'whole', value: { boolValue: true } },
    { key: 'error.type', value: { stringValue: 'timeout' } },
  ])
  const [from, to] = [BigInt(`${inner!['startTimeUnixNano']}`), BigInt(`${inner!['endTimeUnixNano']}`)]
  expect(from).toBeGreaterThan(BigInt(Date.now() - 60_000) * 1_000_000n)
  expect(to).toBeGreaterThanOrEqual(from)
})

test('only the share that was asked for is sent, also of traces that began elsewhere', async () => {
  const collector = await startCollector()
  const opened = await openTraces({
    settings: { endpoint: collector.url, sample: 0 },
    ledger: ledger(),
    log: quietLog,
  })
  const parent = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', flags: 1 }
  opened!.tracer.start('POST /somewhere', undefined, {}).end()
  const theirs = opened!.tracer.start('POST /somewhere', parent, {})
  theirs.end()
  expect(theirs.traceparent()).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/)
  await opened!.close()
  await collector.close()
  expect(collector.got).toEqual([])
})

test('a collector that refuses is told of once, and holds nothing up', async () => {
  const collector = await startCollector(503)
  const told: unknown[] = []
  const log = { ...quietLog, warn: (event: string, fields?: object) => void told.push([event, fields]) }
  const opened = await openTraces({ settings: { endpoint: collector.url, sample: 1 }, ledger: ledger(), log })
  for (let i = 0; i < 3; i++) opened!.tracer.start('POST /somewhere', undefined, {}).end()
  await opened!.close()
  await collector.close()
  expect(told).toEqual([['traces_not_sent', { why: 'Error: status 503' }]])
})

test('nothing is loaded where nobody wants traces, and a package that is missing is named', async () => {
  const asked: string[] = []
  const load = (name: string): Promise<unknown> => {
    asked.push(name)
    return Promise.reject(new Error('not there'))
  }
  expect(await openTraces({ settings: undefined, ledger: ledger(), log: quietLog, load })).toBeUndefined()
  expect(asked).toEqual([])
  await expect(
    openTraces({ settings: { sample: 1 }, ledger: ledger(), log: quietLog, load }),
  ).rejects.toThrow('traces: needs the package @opentelemetry/api (npm install @opentelemetry/api)')
})

test('traces are wanted when the configuration has the word, and all of them unless it says otherwise', () => {
  const schema = z.strictObject({ traces: settings })
  expect(schema.parse({})).toEqual({})
  expect(schema.parse({ traces: {} })).toEqual({ traces: { sample: 1 } })
  expect(schema.safeParse({ traces: { sample: 2 } }).success).toBe(false)
  expect(schema.safeParse({ traces: { endpoint: 'collector:4318' } }).success).toBe(false)
})

test('a caller’s span is known by a header that W3C allows, and by no other', () => {
  const [trace, span] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
  const known = { traceId: trace, spanId: span, flags: 1 }
  expect(parentOf(`00-${trace}-${span}-01`)).toEqual(known)
  expect(parentOf(`00-${trace}-${span}-00`)).toEqual({ ...known, flags: 0 })
  // A later version may say more.
  expect(parentOf(`01-${trace}-${span}-01-and-more`)).toEqual(known)
  for (const wrong of [
    undefined,
    '',
    `00-${trace}-${span}`,
    `ff-${trace}-${span}-01`,
    `00-${trace}-${span}-01-and-more`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    ` 00-${trace}-${span}-01`,
  ])
    expect(parentOf(wrong), String(wrong)).toBeUndefined()
})
