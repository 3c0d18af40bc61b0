/**
 * fuzz/: what a hostile or broken client may send, most of it one change away from what a good one would. A seed and an
 * index decide an input, up to the quotes and signatures in it, which are fresh in every run.
 */
import { bent, mutated, mutatedText, nastyFor, writeJson } from './nasty.ts'
import {
  crossed,
  encodedOtherwise,
  extended,
  fieldChanged,
  otherSigned,
  type Paying,
  relayed,
  sealBroken,
  signatureBent,
  unfunded,
} from './payments.ts'
import { type Random, randomOf } from './random.ts'
import type { Stock } from './stock.ts'
import {
  beheaded,
  bytesOf,
  CHAT,
  dressed,
  framed,
  type Input,
  leaving,
  pipelined,
  type Request,
  whole,
} from './wire.ts'

type Maker = (random: Random, stock: Stock) => Input | Promise<Input>

const paid = ({ headers, body }: Paying): Request => ({
  method: 'POST',
  target: CHAT,
  headers,
  body: JSON.stringify(body),
})

/** A payment as it is made; now and then at a door that is not for it. */
const pays =
  (kind: string, make: (random: Random, stock: Stock) => Paying | Promise<Paying>): Maker =>
  async (random, stock) => {
    const request = paid(await make(random, stock))
    const extra = random.chance(0.15) ? dressed(random).slice(0, 1) : []
    const named: [string, string][] = random.chance(0.05) ? [['Idempotency-Key', `k${random.int(50)}`]] : []
    // A second Content-Type would make it another request than was quoted.
    const headers = [
      ...request.headers,
      ...named,
      ...extra.filter(([name]) => !/^(content-|connection|upgrade)/i.test(name)),
    ]
    const door = random.int(40)
    if (door === 0) return whole(kind, { method: 'GET', target: CHAT, headers })
    if (door === 1) return whole(kind, { ...request, target: '/v1/quote', headers })
    if (door === 2) return whole(kind, { method: 'HEAD', target: CHAT, headers })
    return whole(kind, { ...request, headers })
  }

const bodyChanged: Maker = (random, stock) => {
  const body = writeJson(mutated(random, random.pick(stock.bodies)))
  const target = random.chance(0.7) ? CHAT : '/v1/quote'
  return whole('body', { method: 'POST', target, headers: [], body })
}

const bodyTextChanged: Maker = (random, stock) => {
  const body = mutatedText(random, JSON.stringify(random.pick(stock.bodies)))
  const target = random.pick([CHAT, CHAT, '/v1/quote', '/verify', '/v1/account/payout'])
  return whole('body text', { method: 'POST', target, headers: [], body })
}

const dressedUp: Maker = (random, stock) => {
  const headers = dressed(random)
  if (random.chance(0.3)) {
    const target = random.pick([CHAT, '/v1/account', '/v1/models', '/supported', '/readyz'])
    return whole('headers', { method: 'GET', target, headers })
  }
  const body = JSON.stringify(random.pick(stock.bodies))
  return whole('headers', { method: 'POST', target: CHAT, headers, body })
}

const facilitator: Maker = async (random, stock) => {
  const body = writeJson(await relayed(random, stock))
  const target = random.chance(0.5) ? '/verify' : '/settle'
  return whole('facilitator', { method: 'POST', target, headers: [], body })
}

const account: Maker = async (random, stock) => {
  const sign = random.chance(0.3) ? await stock.signIn() : SIGN_IN
  const message = random.chance(0.4) ? sign : writeJson(mutated(random, JSON.parse(sign)))
  const value = Buffer.from(
    random.chance(0.1) ? mutatedText(random, message).subarray(0, 9000) : message,
  ).toString('base64')
  const headers: [string, string][] = random.chance(0.1) ? [] : [['SIGN-IN-WITH-X', value]]
  if (random.chance(0.5)) return whole('account', { method: 'GET', target: '/v1/account', headers })
  const { asset, network } = random.pick(stock.signed).offer
  const wish = { network, asset, amount: '1' }
  const body = writeJson(random.chance(0.3) ? wish : mutated(random, wish))
  return whole('account', { method: 'POST', target: '/v1/account/payout', headers, body })
}

const SIGN_IN = JSON.stringify({
  domain: 'router.test',
  address: `0x${'1'.repeat(40)}`,
  statement: 'Sign in to see your account with this router.',
  uri: 'http://router.test/v1/account',
  version: '1',
  chainId: 'eip155:84532',
  type: 'eip191',
  nonce: '0'.repeat(56),
  issuedAt: '2026-01-01T00:00:00.000Z',
  expirationTime: '2026-01-01T00:05:00.000Z',
  signature: `0x${'1'.repeat(128)}1b`,
})

const PATHS = [
  '/',
  CHAT,
  '/v1/quote',
  '/v1/models',
  '/v1/receipts/x',
  '/v1/calls/call_1',
  '/.well-known/x402',
  '/healthz',
  '/readyz',
  '/metrics',
  '/openapi.json',
  '/llms.txt',
  '/supported',
  '/v1/account/payouts/x',
  '/v1/account',
]
const METHODS = [
  'GET',
  'GET',
  'GET',
  'POST',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'PATCH',
  'TRACE',
  'PROPFIND',
]

const paths: Maker = (random, stock) => {
  const path = random.pick(PATHS)
  const method = random.pick(METHODS)
  const target = random.pick<() => string>([
    () => path,
    () => path,
    () => `/${path}`,
    () => path.replaceAll('/', '//'),
    () => `${path}/`,
    () => `/./${path}`,
    () => `/x/..${path}`,
    () => `/x/%2e%2e${path}`,
    () => path.replace(/\/(\w)/, (_, c: string) => `/%${c.charCodeAt(0).toString(16)}`),
    () => path.replaceAll('/', '%2F'),
    () => path.toUpperCase(),
    () => `${path}%00`,
    () => `${path}%`,
    () => `${path}%zz`,
    () => `${path}%ff%fe`,
    () => `${path}%ed%a0%80`,
    () => `${path};a=b`,
    () => `${path}?asset=${random.pick(['0x', `0x${'1'.repeat(40)}`, '%00', '', 'a&asset=b', '%ff'])}`,
    () => `${path}?${'a=b&'.repeat(500)}`,
    () => `${path}#x`,
    () => `${path}\\..\\x`,
    () => `http://router.test${path}`,
    () => `http://other.test:1${path}`,
    () => `https://user:pw@router.test${path}`,
    () => `file://${path}`,
    () => `//other.test${path}`,
    () => `/v1/calls/${'a'.repeat(random.pick([1, 200, 9000]))}`,
    () => `/v1/calls/${encodeURIComponent(bent(random, 'call_01'))}`,
    () => `/v1/receipts/${random.bytes(20).toString('hex')}`,
    () => `/v1/receipts/__proto__`,
    () =>
      `/${Buffer.from(random.bytes(12))
        .toString('latin1')
        .replace(/[^\x21-\x7e\xa1-\xff]/g, 'a')}`,
    () => `*`,
    () => `x`,
    () => `?a`,
  ])()
  const body = method === 'POST' || random.chance(0.1) ? JSON.stringify(random.pick(stock.bodies)) : undefined
  const input = whole('paths', { method, target, headers: [], ...(body !== undefined && { body }) })
  // Node's own reader takes no such target, and Hono none that is no URL.
  const plain = /^\/[\x21-\x7e]*$/.test(target) && !/[#\\]/.test(target)
  return plain ? input : { ...input, bare: true, ending: 'unfinished' }
}

const bodyOf = (random: Random, stock: Stock): Buffer =>
  Buffer.from(JSON.stringify(random.pick(stock.bodies)))

const together: Maker = async (random, stock) => {
  const makers: (() => Promise<Request>)[] = [
    async () => ({ method: 'GET', target: random.pick(PATHS), headers: [] }),
    async () => paid(fieldChanged(random, stock)),
    async () => paid(await unfunded(random, stock)),
    async () => ({ method: 'POST', target: CHAT, headers: [], body: bodyOf(random, stock) }),
    async () => ({
      method: 'POST',
      target: '/v1/quote',
      headers: [],
      body: JSON.stringify(nastyFor(random, {})),
    }),
  ]
  // The same payment several times: whichever comes first is judged, the others are told of it.
  if (random.chance(0.25)) {
    const once = paid(await unfunded(random, stock))
    return pipelined(random, [once, once, once])
  }
  const requests: Request[] = []
  const count = 2 + random.int(3)
  while (requests.length < count) requests.push(await random.pick(makers)())
  return pipelined(random, requests)
}

const goneEarly: Maker = async (random, stock) =>
  leaving(random, paid(random.chance(0.4) ? await unfunded(random, stock) : fieldChanged(random, stock)))

/** The classes of inputs, and of a hundred how many each makes. */
export const CLASSES: readonly { kind: string; share: number; make: Maker }[] = [
  { kind: 'valid but unfunded', share: 4, make: pays('valid but unfunded', unfunded) },
  { kind: 'payment field', share: 24, make: pays('payment field', fieldChanged) },
  { kind: 'payment signed otherwise', share: 6, make: pays('payment signed otherwise', otherSigned) },
  { kind: 'payment signature', share: 4, make: pays('payment signature', signatureBent) },
  { kind: 'payment crossed', share: 6, make: pays('payment crossed', crossed) },
  { kind: 'payment seal', share: 4, make: pays('payment seal', sealBroken) },
  { kind: 'payment extensions', share: 5, make: pays('payment extensions', extended) },
  { kind: 'payment encoding', share: 6, make: pays('payment encoding', encodedOtherwise) },
  { kind: 'facilitator', share: 5, make: facilitator },
  { kind: 'body', share: 10, make: bodyChanged },
  { kind: 'body text', share: 5, make: bodyTextChanged },
  { kind: 'headers', share: 5, make: dressedUp },
  { kind: 'account', share: 2, make: account },
  { kind: 'paths', share: 5, make: paths },
  { kind: 'framing', share: 3, make: (random, stock) => framed(random, bodyOf(random, stock)) },
  { kind: 'head', share: 3, make: (random, stock) => beheaded(random, bodyOf(random, stock)) },
  { kind: 'pipelined', share: 2, make: together },
  { kind: 'leaving', share: 1, make: goneEarly },
]

/** The input of a seed and an index. */
export const inputOf = async (seed: number, index: number, stock: Stock): Promise<Input> => {
  const random = randomOf(seed, index)
  return random.weighted(CLASSES).make(random, stock)
}

/** Bytes as a person can read and a shell can send them. */
export const escaped = (bytes: Buffer): string =>
  bytes
    .toString('latin1')
    .replace(/[^\x20-\x7e]|\\/g, (c) =>
      c === '\r' ? '\\r' : c === '\n' ? '\\n' : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
    )

export { bytesOf }
