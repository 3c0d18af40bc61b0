import { gzipSync } from 'node:zlib'
import { bent, TEXTS } from './nasty.ts'
import type { Random } from './random.ts'

/** A request before it is bytes; `framed` stands for headers and body together where they are not as HTTP has it. */
export type Request = {
  method: string
  target: string
  version?: string
  headers: readonly (readonly [string, string])[]
  body?: Buffer | string
}

export type Ask = { method: string; target: string }

/**
 * One thing to send. `ending`: a `whole` message must be answered; after an `unfinished` one the server may rightly
 * wait, so the client ends its half; a client that `leaves` hears nothing. `bare`: HTTP itself may be broken, so a
 * refusal without an envelope is right.
 */
export type Input = {
  kind: string
  writes: readonly Buffer[]
  asks: readonly Ask[]
  ending: 'whole' | 'unfinished' | 'leaves'
  bare: boolean
}

export const CHAT = '/v1/chat/completions'

/** Bytes of a request as any client would write it. Header text is Latin-1, as Node reads it. */
export const bytesOf = ({ method, target, version = 'HTTP/1.1', headers, body }: Request): Buffer => {
  const content = body === undefined ? undefined : Buffer.from(body)
  const named = new Set(headers.map(([name]) => name.toLowerCase()))
  const own: [string, string][] = [
    ...(named.has('host') ? [] : ([['Host', 'router.test']] as [string, string][])),
    ...(content === undefined || named.has('content-type')
      ? []
      : ([['Content-Type', 'application/json']] as [string, string][])),
    ...(content === undefined || named.has('content-length') || named.has('transfer-encoding')
      ? []
      : ([['Content-Length', String(content.length)]] as [string, string][])),
  ]
  const lines = [...own, ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const head = Buffer.from(`${method} ${target} ${version}\r\n${lines}\r\n`, 'latin1')
  return content === undefined ? head : Buffer.concat([head, content])
}

/** A request that HTTP has nothing against. */
export const whole = (kind: string, request: Request): Input => ({
  kind,
  writes: [bytesOf(request)],
  asks: [request],
  ending: 'whole',
  bare: false,
})

type Bytes = string | Buffer
const joined = (...parts: Bytes[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)))

const post = (headers: string, body: Bytes, line = `POST ${CHAT} HTTP/1.1`): Buffer =>
  joined(`${line}\r\nHost: router.test\r\nContent-Type: application/json\r\n${headers}\r\n`, body)

const ASK: Ask = { method: 'POST', target: CHAT }

const broken = (kind: string, bytes: Buffer): Input => ({
  kind,
  writes: [bytes],
  asks: [ASK],
  ending: 'unfinished',
  bare: true,
})

/** The body's length or chunks are told wrong, twice, or in a way that readers differ about. */
export const framed = (random: Random, body: Buffer): Input => {
  const n = body.length
  const size = n.toString(16)
  const half = body.subarray(0, n >> 1)
  const rest = body.subarray(n >> 1)
  const chunked = (chunks: Bytes, headers = 'Transfer-Encoding: chunked\r\n') => post(headers, chunks)
  const te = (value: string) =>
    chunked(joined(`${size}\r\n`, body, '\r\n0\r\n\r\n'), `Transfer-Encoding: ${value}\r\n`)
  const bytes = random.pick<() => Buffer>([
    () => post(`Content-Length: ${n}\r\nContent-Length: ${n}\r\n`, body),
    () => post(`Content-Length: ${n}\r\nContent-Length: ${n + 5}\r\n`, body),
    () => post(`Content-Length: ${n - 3}\r\n`, body),
    () => post(`Content-Length: ${n + 3}\r\n`, body),
    () =>
      post(
        `Content-Length: ${random.pick(['-1', '+5', '0x10', '1e3', ' ', '', '9'.repeat(30), '5,5', '５'])}\r\n`,
        body,
      ),
    () => post('Content-Length: 99999999999999\r\n', body),
    () => post('', body),
    () => post(`Content-Length: 0\r\n`, ''),
    () =>
      post(
        `Content-Length: ${n}\r\nTransfer-Encoding: chunked\r\n`,
        joined(`${size}\r\n`, body, '\r\n0\r\n\r\n'),
      ),
    () =>
      post(
        `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n`,
        joined(`${size}\r\n`, body, '\r\n0\r\n\r\n'),
      ),
    () =>
      te(
        random.pick([
          'chunked, chunked',
          'gzip, chunked',
          'chunked, gzip',
          'identity',
          'xchunked',
          ' chunked',
          'CHUNKED',
          'chunked\t',
          '\x0bchunked',
          '"chunked"',
        ]),
      ),
    () => chunked(joined(`${size}\r\n`, body, '\r\n0\r\n\r\n')),
    () => chunked(joined(`000${size.toUpperCase()}\r\n`, body, '\r\n0\r\n\r\n')),
    () => chunked(joined(`${size};a=b;c="d"\r\n`, body, '\r\n0\r\n\r\n')),
    () => chunked(joined(`${size};${'x'.repeat(20_000)}\r\n`, body, '\r\n0\r\n\r\n')),
    () =>
      chunked(
        joined(
          `${half.length.toString(16)}\r\n`,
          half,
          `\r\n${rest.length.toString(16)}\r\n`,
          rest,
          '\r\n0\r\n\r\n',
        ),
      ),
    () =>
      chunked(
        joined(
          ...[...body.subarray(0, 2000)].map((byte) => joined('1\r\n', Buffer.from([byte]), '\r\n')),
          '0\r\n\r\n',
        ),
      ),
    () =>
      chunked(
        joined(
          `${random.pick(['-5', 'fffffffff', 'ffffffffffffffffff', '0x5', ' 5', '5 ', 'g', ''])}\r\n`,
          body,
          '\r\n0\r\n\r\n',
        ),
      ),
    () => chunked(joined(`${size}\n`, body, '\n0\n\n')),
    () => chunked(joined(`${size}\r\n`, body, '0\r\n\r\n')),
    () => chunked(joined(`${size}\r\n`, body, '\r\n')),
    () => chunked(joined(`${size}\r\n`, body, '\r\n0\r\nContent-Length: 5\r\nX-Payment: a\r\n\r\n')),
    () =>
      chunked(joined(`${size}\r\n`, body, `\r\n0\r\nX-T: ${'a'.repeat(random.pick([10, 40_000]))}\r\n\r\n`)),
    () => post(`Content-Length: ${n}\r\nExpect: 100-continue\r\n`, body),
    () => post(`Content-Length: ${n}\r\nExpect: ${random.pick(['200-ok', '100-Continue, x', ''])}\r\n`, body),
    () => post(`Content-Length: ${n}\r\nContent-Encoding: gzip\r\n`, body),
    () => {
      const packed = gzipSync(body)
      return post(`Content-Length: ${packed.length}\r\nContent-Encoding: gzip\r\n`, packed)
    },
    () => post(`Content-Length: ${300_000}\r\n`, Buffer.alloc(300_000, 0x20)),
  ])()
  return broken('framing', bytes)
}

/** The head is not as HTTP has it: the line, the names, the values, the ends of lines. */
export const beheaded = (random: Random, body: Buffer): Input => {
  const n = body.length
  const length = `Content-Length: ${n}\r\n`
  const line = (text: string) => post(length, body, text)
  const head = (text: string) => post(length + text, body)
  const bytes = random.pick<() => Buffer>([
    () =>
      line(
        `POST ${CHAT} ${random.pick(['HTTP/1.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/11', 'HTTPS/1.1', ''])}`,
      ),
    () =>
      line(
        `${random.pick(['post', 'PUT', 'DELETE', 'PATCH', 'PROPFIND', 'QUERY', 'FOO', 'P OST', '', 'POST\t', 'PRI'])} ${CHAT} HTTP/1.1`,
      ),
    () => line(`POST  ${CHAT}  HTTP/1.1`),
    () => line(`POST\t${CHAT}\tHTTP/1.1`),
    () => line(`POST ${CHAT}\u0000 HTTP/1.1`),
    () => line(`POST ${CHAT}${'a'.repeat(random.pick([8000, 31_000, 70_000]))} HTTP/1.1`),
    () => joined('\r\n\r\n', line(`POST ${CHAT} HTTP/1.1`)),
    () => line(`\nPOST ${CHAT} HTTP/1.1`),
    () => joined(`POST ${CHAT} HTTP/1.1\r\nContent-Type: application/json\r\n${length}\r\n`, body),
    () =>
      head(
        `Host: ${random.pick(['other.test', '', 'router.test', 'a b', 'a@b', '[::1', 'x/y', '\xff', 'a'.repeat(300), '127.0.0.1:99999', 'router.test:8402#'])}\r\n`,
      ),
    () =>
      joined(
        `POST ${CHAT} HTTP/1.1\r\nHost: ${random.pick(['', ' ', 'a b', 'a/b', 'a@b', '[::1', 'a#b', 'a?b', 'é', '%41', 'a:b', ':80', 'xn--', '\xe9\xff'])}\r\nContent-Type: application/json\r\n${length}\r\n`,
        body,
      ),
    () => head(' folded: 1\r\n'),
    () => head('X-A: 1\r\n  folded\r\n'),
    () => head('X-A : 1\r\n'),
    () => head(': 1\r\n'),
    () => head('X-A\r\n'),
    () => head('X-A: a\rb\r\n'),
    () => head('X-A: a\nX-B: b\r\n'),
    () => head('X-A: \u0000\r\n'),
    () =>
      head(
        `X-A: ${random
          .bytes(40)
          .toString('latin1')
          .replace(/[\r\n]/g, '')}\r\n`,
      ),
    () => head(`X-A: ${'a'.repeat(random.pick([4000, 33_000, 100_000]))}\r\n`),
    () => head('X-A: 1\r\n'.repeat(random.pick([100, 1000, 2100]))),
    () => head(`${'x'.repeat(random.pick([200, 33_000]))}: 1\r\n`),
    () => head('(x): 1\r\n'),
    () => Buffer.from(post(length, body).toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
    () => Buffer.from(post(length, body).toString('latin1').replaceAll('\r\n', '\r'), 'latin1'),
    () => spoiled(random, post(length, body)),
    () => spoiled(random, post(length, body)),
    () => spoiled(random, post(length, body)),
    () => joined('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', random.bytes(40)),
    () => joined('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', random.bytes(100)),
    () =>
      joined(
        random.pick([
          'CONNECT router.test:443',
          'CONNECT /',
          'OPTIONS *',
          'GET *',
          'TRACE /',
          'CONNECT 127.0.0.1:1',
        ]),
        ' HTTP/1.1\r\nHost: router.test\r\n\r\n',
      ),
    () => random.bytes(random.int(300)),
  ])()
  return broken('head', bytes)
}

// A byte of the head or the body is another, is gone or is there twice.
const spoiled = (random: Random, bytes: Buffer): Buffer => {
  const at = random.int(bytes.length)
  const insert = random.bytes(random.int(3))
  return Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + random.int(3))])
}

/** Headers that HTTP lets through and that we, or what is between us, might read. */
export const dressed = (random: Random): [string, string][] => {
  const address = random.pick([
    `0x${'1'.repeat(40)}`,
    `0X${'1'.repeat(40)}`,
    '0x1',
    '',
    `0x${'g'.repeat(40)}`,
    'null',
  ])
  const latin = (text: string): string =>
    Buffer.from(text, 'utf8')
      .toString('latin1')
      .replace(/[^\x20-\x7e\x80-\xff]/g, ' ')
  const text = latin(random.chance(0.5) ? random.pick(TEXTS) : bent(random, 'eip155:84532'))
  const make = (): [string, string] =>
    random.pick<() => [string, string]>([
      () => ['X-Farebox-Payer', address],
      () => ['X-Farebox-Network', random.chance(0.4) ? 'eip155:84532' : text],
      () => ['Idempotency-Key', random.chance(0.5) ? text : 'k'.repeat(random.pick([0, 1, 254, 255, 256]))],
      () => ['X-Farebox-Sign', random.chance(0.7) ? 'offers' : text],
      () => ['PAYMENT-SIGNATURE', text],
      () => ['X-PAYMENT', text],
      () => ['SIGN-IN-WITH-X', text],
      () => ['Authorization', random.pick(['Bearer x', 'Bearer ', 'Basic eDp4', text])],
      () => ['X-Forwarded-For', random.pick(['127.0.0.1', text])],
      () => ['X-Forwarded-Host', text],
      () => ['X-HTTP-Method-Override', 'GET'],
      () => [
        'Content-Type',
        random.pick([
          'text/plain',
          'application/json; charset=utf-16',
          'application/JSON',
          'application/vnd.a+json',
          'multipart/form-data',
          text,
        ]),
      ],
      () => ['Content-Encoding', random.pick(['gzip', 'identity', 'br, gzip', text])],
      () => ['Accept', random.pick(['text/event-stream', 'text/html', '*/*;q=0', text])],
      () => ['Accept-Encoding', 'gzip, br'],
      () => ['Range', 'bytes=0-10'],
      () => ['If-None-Match', '*'],
      () => ['Cookie', text],
      () => ['Origin', random.pick(['null', 'https://evil.test'])],
      () => ['Upgrade', random.pick(['websocket', 'h2c', text])],
      () => [
        'Connection',
        random.pick(['upgrade', 'keep-alive', 'Content-Length', 'PAYMENT-SIGNATURE', 'close']),
      ],
      () => ['TE', 'trailers'],
      () => [`X-${random.int(9)}`, text],
    ])()
  return Array.from({ length: 1 + random.int(4) }, make)
}

/** Requests that come together on one connection; the last may be cut. */
export const pipelined = (random: Random, requests: readonly Request[]): Input => {
  const bytes = Buffer.concat(requests.map(bytesOf))
  const cuts = random.chance(0.5)
    ? [random.int(bytes.length), random.int(bytes.length)].toSorted((a, b) => a - b)
    : []
  const writes = [0, ...cuts].map((cut, i) => bytes.subarray(cut, cuts[i] ?? bytes.length))
  return { kind: 'pipelined', writes, asks: requests, ending: 'whole', bare: false }
}

/** The client is gone before it could hear anything, sometimes in the middle of its own words. */
export const leaving = (random: Random, request: Request): Input => {
  const bytes = bytesOf(request)
  const cut = random.chance(0.5) ? bytes.length : random.int(bytes.length)
  return { kind: 'leaving', writes: [bytes.subarray(0, cut)], asks: [request], ending: 'leaves', bare: true }
}
