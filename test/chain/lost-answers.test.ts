import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LocalAccount } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { assetKey } from '../../src/assets.ts'
import { createRefunds, type RefundFacts } from '../../src/call/refund.ts'
import { billOf, type Call } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { ACCOUNT } from '../../src/ledger/moves.ts'
import { quietLog } from '../../src/log.ts'
import { memoryTally } from '../../src/store/tally.ts'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { type RouterFiles, routerFiles, startRouter } from '../support/process.ts'
import { goodAnswer } from '../support/upstream.ts'
import { CHAIN_ID, hello, startWorld, type World } from '../support/world.ts'

let world: World
let payer: LocalAccount
beforeAll(async () => {
  world = await startWorld({
    store: 'sqlite',
    extra: 'refunds: { perPayerPerDay: 2 }\ncache: { megabytes: 1024 }',
  })
})
beforeEach(async () => {
  world.upstream.script(goodAnswer)
  payer = await world.payer()
})
afterEach(async () => {
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})
afterAll(() => world.close())

/** An answer that no buffer of the system takes whole. */
const LARGE = 'x'.repeat(24 << 20)
const largeAnswer = () =>
  world.upstream.script(({ response }) => {
    const message = { role: 'assistant', content: LARGE }
    const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }], usage }))
  })

const signed = async (url = world.chat, by = payer) => signOffer(by, offersOf(await post(url, hello()))[0]!)
const credit = () =>
  world.farebox.deps.ledger.balance(
    assetKey({ chain: `eip155:${CHAIN_ID}`, address: world.token.toLowerCase() as `0x${string}` }),
    ACCOUNT.credit(payer.address.toLowerCase() as `0x${string}`),
  )
const bodyOf = async (response: Response) =>
  (await response.json()) as {
    error: { code: string; hint: string }
    refunded?: string
    receipt: { charged: string }
  }

type Listener = { socket: Socket; id: string; seen: () => number }

/** Sends a paid request over a bare socket that takes nothing after the head of the answer; resolves with the call's id. */
const listen = async (payment: unknown, more: readonly string[] = []): Promise<Listener> => {
  const { hostname, port, pathname } = new URL(world.chat)
  const socket = connect(Number(port), hostname)
  const body = JSON.stringify(hello())
  const lines = [
    `POST ${pathname} HTTP/1.1`,
    `Host: ${hostname}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `PAYMENT-SIGNATURE: ${header(payment)}`,
    ...more,
  ]
  socket.write(`${[...lines, '', ''].join('\r\n')}${body}`)
  let seen = 0
  const id = await new Promise<string>((resolve) => {
    let head = ''
    const collect = (part: Buffer) => {
      seen += part.length
      if (head.length > 65_536) return
      head += part.toString('latin1').slice(0, 65_536)
      const found = /x-farebox-call: (\S+)/i.exec(head)?.[1]
      if (found === undefined) return
      head = head.padEnd(65_537)
      socket.pause()
      resolve(found)
    }
    socket.on('data', collect)
  })
  return { socket, id, seen: () => seen }
}

const call = async (id: string): Promise<Call> => (await world.farebox.deps.ledger.call(id))!
/** Waits until a call's charge went back, or for `ms`; returns what went back. */
const refundOf = async (id: string, ms = 3_000): Promise<bigint | undefined> => {
  for (const until = Date.now() + ms; Date.now() < until; ) {
    const refunded = billOf(await call(id))?.refunded
    if (refunded !== undefined) return refunded
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return undefined
}

describe('an answer in one piece', () => {
  test('whose caller goes away before it was sent whole: the charge becomes credit, and its retry is told so', async () => {
    largeAnswer()
    const payment = await signed()
    const { socket, id } = await listen(payment)
    socket.destroy()
    const charged = billOf(await call(id))!.charged
    expect(charged).toBeGreaterThan(0n)
    expect(await refundOf(id)).toBe(charged)
    await world.settle()
    expect(await credit()).toBe((await call(id)).signed)

    const again = await post(world.chat, hello(), { 'payment-signature': header(payment) })
    const { error } = await bodyOf(again)
    expect([again.status, error.code, again.headers.get('x-should-retry')]).toEqual([
      409,
      'answer_lost',
      'false',
    ])
    expect(error.hint).toContain('Send the request again as a new call')
    const receipt = await bodyOf(await fetch(`${world.farebox.url}/v1/receipts/${id}`))
    expect([receipt.receipt.charged, receipt.refunded]).toEqual([String(charged), String(charged)])
    const state = await bodyOf(await fetch(`${world.farebox.url}/v1/calls/${id}`))
    expect(state.refunded).toBe(String(charged))

    world.upstream.script(goodAnswer)
    const next = await post(world.chat, hello(), { 'x-farebox-payer': payer.address })
    const offer = offersOf(next)[0]!
    expect(BigInt(offer.amount)).toBe(0n)
    const free = await signOffer(payer, offer)
    expect((await post(world.chat, hello(), { 'payment-signature': header(free) })).status).toBe(200)
  })

  test('that was to be kept is forgotten with its charge, or charged when it was given again: nobody gets it for nothing', async () => {
    const kept = { 'x-farebox-cache': 'on' }
    largeAnswer()
    const gone = await listen(await signed(), ['X-Farebox-Cache: on'])
    gone.socket.destroy()
    expect(await refundOf(gone.id)).toBeGreaterThan(0n)
    const next = await post(world.chat, hello(), { ...kept, 'payment-signature': header(await signed()) })
    expect(next.headers.get('x-farebox-cache')).toBe('miss')
    await next.arrayBuffer()

    const { requestDigest } = await call(gone.id)
    world.farebox.deps.answers.lost(payer.address.toLowerCase() as `0x${string}`, requestDigest)
    const slow = await listen(await signed(), ['X-Farebox-Cache: on'])
    const same = await post(world.chat, hello(), { ...kept, 'payment-signature': header(await signed()) })
    expect(same.headers.get('x-farebox-cache')).toBe('hit')
    await same.arrayBuffer()
    slow.socket.destroy()
    expect(await refundOf(slow.id, 500)).toBeUndefined()
  })

  test('that was read to its end is charged, also when the connection is reset right after', async () => {
    largeAnswer()
    const { socket, id, seen } = await listen(await signed())
    await new Promise<void>((resolve) => {
      socket.on('data', () => seen() > LARGE.length + 500 && resolve())
      socket.resume()
    })
    socket.resetAndDestroy()
    expect(await refundOf(id, 300)).toBeUndefined()
  })

  test('that the system took whole is charged, whether its caller reads it or not', async () => {
    const { socket, id } = await listen(await signed())
    socket.resetAndDestroy()
    expect(await refundOf(id, 300)).toBeUndefined()
  })

  test('is given back so often a day and no more', async () => {
    largeAnswer()
    const back: boolean[] = []
    for (let i = 0; i < 3; i++) {
      const { socket, id } = await listen(await signed())
      socket.destroy()
      back.push((await refundOf(id, 500)) !== undefined)
    }
    expect(back).toEqual([true, true, false])
  })

  test('that could not be sent for a fault of ours after it was billed: the charge becomes credit', async () => {
    let point = 'K4'
    await world.restart({
      probe: (at) => {
        if (at !== point) return
        point = ''
        throw new Error('a fault')
      },
    })
    const answer = await post(world.chat, hello(), { 'payment-signature': header(await signed()) })
    expect([answer.status, (await bodyOf(answer)).error.code]).toEqual([500, 'internal'])
    const one = await call(answer.headers.get('x-farebox-call')!)
    expect(billOf(one)).toMatchObject({ refunded: billOf(one)!.charged })
    await world.restart()
  })

  test('of a router that ended in order is not given back afterwards', async () => {
    const payment = await signed()
    const first = await post(world.chat, hello(), { 'payment-signature': header(payment) })
    await first.text()
    await world.restart()
    const again = await post(world.chat, hello(), { 'payment-signature': header(payment) })
    expect((await bodyOf(again)).error.code).toBe('payment_already_used')
    expect(await refundOf(first.headers.get('x-farebox-call')!, 50)).toBeUndefined()
  })
})

describe('a router that is killed between the bill and the answer', () => {
  let dir: string
  let files: RouterFiles
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'farebox-lost-'))
    files = routerFiles({
      dir,
      rpc: world.net.url,
      chainId: CHAIN_ID,
      token: world.token,
      upstream: world.upstream.url,
      settlerKey: world.net.accounts[3]!.privateKey,
    })
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  test.each(['the same signature', 'the same name'])(
    'gives the charge back when its caller returns with %s, once',
    async (by) => {
      const doomed = await startRouter(files, 'K4')
      const payment = await signed(`${doomed.url}/v1/chat/completions`)
      const name = { 'idempotency-key': 'order-1' }
      const sent = post(`${doomed.url}/v1/chat/completions`, hello(), {
        'payment-signature': header(payment),
        ...name,
      })
      await expect(sent).rejects.toThrow()
      expect(await doomed.ended).toBe('SIGKILL')
      const next = await startRouter(files)
      try {
        const chat = `${next.url}/v1/chat/completions`
        const headers: Record<string, string> =
          by === 'the same name'
            ? { ...name, 'x-farebox-payer': payer.address }
            : { 'payment-signature': header(payment) }
        for (let i = 0; i < 2; i++) {
          const again = await post(chat, hello(), headers)
          expect([again.status, (await bodyOf(again)).error.code]).toEqual([409, 'answer_lost'])
          const id = again.headers.get('x-farebox-call')
          const { refunded, receipt } = await bodyOf(await fetch(`${next.url}/v1/receipts/${id}`))
          expect(refunded).toBe(receipt.charged)
        }
      } finally {
        next.kill('SIGTERM')
        await next.ended
      }
    },
  )
})

describe('what may be asked back after a crash', () => {
  const STARTED = 1_000_000_000
  const bill = (at: number) => ({ charged: 5n, at })
  const billed = (at: number, more: object = {}) =>
    ({
      is: 'call',
      id: 'call_1',
      payer: '0x1',
      stream: false,
      service: { at: 'served', bill: bill(at) },
      ...more,
    }) as unknown as Call
  /** A ledger of one call, and the time that the caller returns at. */
  const asked = async (one: Call, more: Partial<RefundFacts> & { now?: number } = {}) => {
    const ledger: RefundFacts['ledger'] = {
      post: (async () => {
        const refunded = { ...one, service: { ...one.service, bill: { ...billOf(one)!, refunded: 5n } } }
        return { ok: true, call: refunded, calls: [refunded], counters: {} }
      }) as never,
    }
    const clock = { now: () => more.now ?? STARTED + 1_000, sleep: async () => {} }
    const facts = {
      ledger,
      clock,
      log: quietLog,
      policy: 'credit',
      perDay: 1,
      started: STARTED,
      closed: 0,
      tally: memoryTally({ clock }),
    } as const
    return createRefunds({ ...facts, ...more }).recall(one)
  }

  test('is the answer of a call that was billed shortly before, in one piece, by a process that did not end in order', async () => {
    const before = billed(STARTED - 10)
    expect(await asked(before)).toBe(true)
    expect(await asked(before, { now: STARTED + 16 * 60_000 })).toBe(false)
    expect(await asked(before, { closed: STARTED - 5 })).toBe(false)
    expect(await asked(before, { perDay: 0 })).toBe(false)
    expect(await asked(before, { policy: 'none' })).toBe(false)
    expect(await asked(billed(STARTED + 10))).toBe(false)
    expect(await asked(billed(STARTED - 10, { stream: true }))).toBe(false)
  })
})
