import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { type Config, ConfigError } from '../../src/config.ts'
import type { Fields, Log } from '../../src/log.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { routerFiles, startRouter } from '../support/process.ts'
import { chunk, goodAnswer, startUpstream, type Upstream } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'

vi.setConfig({ testTimeout: 120_000 })

let world: World
let other: Upstream
const lines: [string, Fields | undefined][] = []
const log: Log = {
  info: (event, fields) => void lines.push([event, fields]),
  warn: (event, fields) => void lines.push([event, fields]),
  error: (event, fields) => void lines.push([event, fields]),
}
beforeAll(async () => {
  world = await startWorld({ options: { log } })
  other = await startUpstream()
})
afterAll(async () => {
  await world.close()
  await other.close()
})
afterEach(async () => {
  world.upstream.script(goodAnswer)
  await world.farebox.reload(() => world.config)
  lines.length = 0
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
/** What is configured, with a change. */
const changed = (change: Partial<Config>): Config => ({ ...world.config, ...change })
const reload = (change: Partial<Config>) => world.farebox.reload(() => changed(change))
/** The same catalogue at other prices. */
const priced = (times: bigint): Partial<Config> => {
  const { catalog, models } = world.config
  type Rate = (typeof models)[number]['inputPerMillion']
  const by = (rate: Rate): Rate => (rate * times) as Rate
  const all = catalog.models.map((model) => ({
    ...model,
    hosts: model.hosts.map((host) => ({
      ...host,
      prices: {
        input: by(host.prices.input),
        output: by(host.prices.output),
        cachedInput: by(host.prices.cachedInput),
        cacheWrite: by(host.prices.cacheWrite),
      },
    })),
  }))
  return {
    models: models.map((one) => ({
      ...one,
      inputPerMillion: by(one.inputPerMillion),
      outputPerMillion: by(one.outputPerMillion),
    })),
    catalog: { ...catalog, models: all, find: (id) => all.find((model) => model.id === id) },
  }
}
const price = async (): Promise<bigint> => BigInt(offersOf(await post(world.chat, hello()))[0]!.amount)
const chargedOf = async (response: Response): Promise<bigint> => {
  const call = await world.farebox.deps.ledger.call(response.headers.get('x-farebox-call')!)
  return call && 'bill' in call.service ? call.service.bill.charged : -1n
}

test('an open quote is honoured at its own price after prices have doubled, and the next one is at the new price', async () => {
  const payer = await world.payer()
  const [offer] = offersOf(await post(world.chat, hello()))
  expect(await reload(priced(2n))).toEqual({
    ok: true,
    changed: expect.arrayContaining(['models.test/small.outputPerMillion']),
  })
  expect(await price()).toBe(BigInt(offer!.amount) * 2n)
  const old = await post(world.chat, hello(), { 'payment-signature': header(await signOffer(payer, offer!)) })
  expect(old.status).toBe(200)
  expect(await chargedOf(old)).toBe(14n)
  const fresh = await buy(world.chat, payer, hello())
  expect([fresh.status, await chargedOf(fresh)]).toEqual([200, 28n])
  const models = (await (await fetch(`${world.farebox.url}/v1/models`)).json()) as {
    data: { hosts: { output_per_million: string }[] }[]
  }
  expect(models.data[0]!.hosts[0]!.output_per_million).toBe('4')
})

test('so is a price that was told to a client of x402 v1, whose payment carries no quote, for as long as it lasts', async () => {
  const payV1 = async (offer: ReturnType<typeof offersOf>[number]) => {
    const { payload } = await signOffer(await world.payer(), offer)
    const paid = { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload }
    return post(world.chat, hello(), { 'x-payment': header(paid) })
  }
  const [offer] = offersOf(await post(world.chat, hello()))
  await reload(priced(2n))
  const paid = await payV1(offer!)
  expect([paid.status, await chargedOf(paid)]).toEqual([200, 14n])
  const { clock } = world.farebox.deps
  world.farebox.deps.clock = { ...clock, now: () => clock.now() + 100_000 }
  const late = await payV1(offer!)
  world.farebox.deps.clock = clock
  expect(late.status).toBe(402)
})

test('with a mistake in the file nothing changes, and the log has every mistake', async () => {
  const before = await price()
  const problems = ['models: test/small is there twice', 'pricing.marginPercent: must be a percentage']
  const outcome = await world.farebox.reload(() => {
    throw new ConfigError(problems)
  })
  expect(outcome).toEqual({ ok: false, problems })
  expect(lines).toEqual([
    ['config_refused', { problems: problems.join('; '), now: 'the old configuration goes on' }],
  ])
  expect(await price()).toBe(before)
})

test('with one change that needs a restart nothing changes, and the log names it', async () => {
  const before = await price()
  const outcome = await reload({
    ...priced(3n),
    server: { ...world.config.server, port: 9 },
    store: 'sqlite:x',
  })
  expect(outcome).toEqual({ ok: false, problems: ['server.port: needs a restart', 'store: needs a restart'] })
  expect(await price()).toBe(before)
})

test('a file that says the same changes nothing', async () => {
  const { provider } = world.farebox.deps
  const up = provider('up')
  expect(await reload({})).toEqual({ ok: true, changed: [] })
  expect(provider('up')).toBe(up)
})

test('the limits of what is risked, and the life of quotes, hold from the next call on', async () => {
  const { exposure, quote } = world.config
  await reload({
    exposure: { ...exposure, perCall: 1n as never, newPayer: 1n as never },
    quote: { ...quote, ttlSeconds: 20 },
  })
  const known = (await (await fetch(`${world.farebox.url}/.well-known/x402`)).json()) as {
    limits: { settlesFirstAboveUsd: string }
  }
  expect(known.limits.settlesFirstAboveUsd).toBe('0.000001')
  const asked = (await (await post(`${world.farebox.url}/v1/quote`, hello())).json()) as {
    quote: { expires_at: string }
  }
  expect(Date.parse(asked.quote.expires_at) - Date.now()).toBeLessThan(21_000)
  const paid = await buy(world.chat, await world.payer(), hello())
  const call = await world.farebox.deps.ledger.call(paid.headers.get('x-farebox-call')!)
  expect([paid.status, call?.settleFirst]).toEqual([200, true])
})

test('a stream goes on at the provider that began it, and the next call asks the new one', async () => {
  let finish = () => {}
  world.upstream.script(async ({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ content: 'old' }))
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    write(chunk({ content: ' world' }, 'stop'))
    response.end('data: [DONE]\n\n')
  })
  const payer = await world.payer()
  const streaming = await buy(world.chat, payer, hello({ stream: true }))
  const providers = world.config.providers.map((one) => ({ ...one, baseUrl: other.url }))
  expect(await reload({ providers })).toEqual({ ok: true, changed: ['providers.up.baseUrl'] })
  const seen = world.upstream.seen.length
  expect((await buy(world.chat, payer, hello())).status).toBe(200)
  expect([other.seen.length, world.upstream.seen.length]).toEqual([1, seen])
  finish()
  const text = await streaming.text()
  expect(text).toContain(' world')
  expect(text).toContain('[DONE]')
})

test('quotes are sealed with the first secret of the new list and open with all of them, and with no other', async () => {
  const payer = await world.payer()
  const { secrets } = world.config
  const fresh = 'another-secret-that-is-long-enough-for-tests'
  const pay = async (offer: ReturnType<typeof offersOf>[number]) => {
    const payment = header(await signOffer(payer, offer))
    return (await post(world.chat, hello(), { 'payment-signature': payment })).status
  }
  const [old, gone] = [
    offersOf(await post(world.chat, hello()))[0]!,
    offersOf(await post(world.chat, hello()))[0]!,
  ]
  await reload({ secrets: { ...secrets, quoteSecrets: [fresh, ...secrets.quoteSecrets] } })
  expect(await pay(old)).toBe(200)
  const sealed = offersOf(await post(world.chat, hello()))[0]!
  await reload({ secrets: { ...secrets, quoteSecrets: [fresh] } })
  expect(await pay(sealed)).toBe(200)
  expect(await pay(gone)).toBe(402)
})

test('how often callers may ask changes for the next request', async () => {
  const { limits } = world.config
  const tight = { perAddress: { perSecond: 0.01, burst: 1 } }
  await reload({ limits: { ...limits, unpaid: tight } })
  const statuses = [await post(world.chat, hello()), await post(world.chat, hello())].map((one) => one.status)
  expect(statuses).toContain(429)
  await reload({})
  expect((await post(world.chat, hello())).status).toBe(402)
})

test('reloading twenty times under load loses no call', async () => {
  const payers: Awaited<ReturnType<World['payer']>>[] = []
  while (payers.length < 20) payers.push(await world.payer())
  const providers = (idleMs: number) => world.config.providers.map((one) => ({ ...one, idleMs }))
  world.upstream.script(async (ask) => {
    await pause(Math.random() * 60)
    await goodAnswer(ask)
  })
  const before = (await world.farebox.deps.ledger.calls(undefined, 10_000)).length
  const statuses: number[] = []
  const buyTen = async (payer: (typeof payers)[number], stream: boolean) => {
    for (let i = 0; i < 10; i++) {
      const response = await buy(world.chat, payer, hello({ stream }))
      const text = await response.text()
      statuses.push(stream && !text.includes('[DONE]') ? 0 : response.status)
    }
  }
  const buying = Promise.all(payers.map((payer, i) => buyTen(payer, i % 2 === 0)))
  for (let i = 0; i < 20; i++) {
    await pause(60)
    const outcome = await reload({ ...priced(BigInt((i % 3) + 1)), providers: providers(2_001 + i) })
    expect(outcome.ok).toBe(true)
  }
  await buying
  expect(statuses.filter((status) => status !== 200)).toEqual([])
  expect(statuses).toHaveLength(200)
  const calls = (await world.farebox.deps.ledger.calls(undefined, 10_000)).slice(before)
  expect(calls.map((call) => call.service.at).filter((at) => at !== 'served')).toEqual([])
}, 60_000)

/** A router in a process of its own, and what it asks for a call. */
const startProcess = async ({ secrets }: { secrets?: string } = {}) => {
  const settlerKey = world.net.accounts[2]!.privateKey
  const { net, token, upstream } = world
  const dir = mkdtempSync(join(world.dir, 'process-'))
  const facts = { dir, rpc: net.url, chainId: net.chainId, token, upstream: upstream.url, settlerKey }
  const files = routerFiles(facts)
  const envFile = join(dir, 'secrets.env')
  if (secrets !== undefined) writeFileSync(envFile, secrets)
  const args = secrets === undefined ? [] : ['--env-file', envFile, '--watch']
  const router = await startRouter({ ...files, args })
  const chat = `${router.url}/v1/chat/completions`
  const offer = async () => offersOf(await post(chat, hello()))[0]!
  return {
    envFile,
    files,
    chat,
    offer,
    router,
    text: readFileSync(files.config, 'utf8'),
    costing: async (wanted: bigint) => {
      for (let i = 0; i < 100 && BigInt((await offer()).amount) !== wanted; i++) await pause(50)
      return BigInt((await offer()).amount)
    },
  }
}

test('a process reads its file again on SIGHUP, and goes on with the old one when the new one is wrong', async () => {
  const { files, text, offer, costing, router } = await startProcess()
  try {
    const before = BigInt((await offer()).amount)
    writeFileSync(files.config, `${text}\npricing: { marginPercent: "100" }\n`)
    router.kill('SIGHUP')
    expect(await costing(before * 2n)).toBe(before * 2n)
    writeFileSync(files.config, `${text}\npricing: { marginPercent: "ten" }\n`)
    router.kill('SIGHUP')
    await pause(300)
    expect(BigInt((await offer()).amount)).toBe(before * 2n)
  } finally {
    router.kill('SIGTERM')
    expect(await router.ended).toBe('0')
  }
})

test('secrets in a file of their own are rotated as soon as it is written, where that is asked for', async () => {
  const [old, fresh] = [
    'an-old-secret-that-is-long-enough-for-tests',
    'a-new-secret-that-is-long-enough-for-tests',
  ]
  const started = await startProcess({ secrets: `FAREBOX_QUOTE_SECRET=${old}\n` })
  const { chat, envFile, files, offer, costing, router, text } = started
  const pay = async (one: Awaited<ReturnType<typeof offer>>) => {
    const payment = header(await signOffer(await world.payer(), one))
    return (await post(chat, hello(), { 'payment-signature': payment })).status
  }
  try {
    const [first, second] = [await offer(), await offer()]
    writeFileSync(envFile, `FAREBOX_QUOTE_SECRET=${fresh},${old}\n`)
    writeFileSync(files.config, `${text}\npricing: { marginPercent: "100" }\n`)
    await costing(BigInt(first.amount) * 2n)
    expect(await pay(first)).toBe(200)
    writeFileSync(envFile, `FAREBOX_QUOTE_SECRET=${fresh}\n`)
    writeFileSync(files.config, text)
    await costing(BigInt(first.amount))
    expect(await pay(second)).toBe(402)
  } finally {
    router.kill('SIGTERM')
    expect(await router.ended).toBe('0')
  }
})
