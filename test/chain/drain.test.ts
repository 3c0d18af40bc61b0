import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { deployUsdc, type Localnet, mint, startAnvil } from '../../src/cli/demo/localnet.ts'
import { billOf, type Call, isServing } from '../../src/ledger/call.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { type RouterFiles, type RouterProcess, routerFiles, startRouter } from '../support/process.ts'
import { chunk, goodAnswer, type Script, startUpstream, type Upstream } from '../support/upstream.ts'
import { hello } from '../support/world.ts'

// Each test starts processes, on machines that may be busy.
vi.setConfig({ testTimeout: 120_000 })

let net: Localnet
let token: `0x${string}`
let upstream: Upstream
let dir: string
let files: RouterFiles
let router: RouterProcess
let chat: string

beforeAll(async () => {
  net = await startAnvil()
  token = (await deployUsdc({ url: net.url, deployerKey: net.accounts[0]!.privateKey })).address
  upstream = await startUpstream()
})
afterAll(async () => {
  await upstream?.close()
  await net?.stop()
})
beforeEach(() => {
  upstream.script(goodAnswer)
  dir = mkdtempSync(join(tmpdir(), 'farebox-drain-'))
  const settlerKey = net.accounts[1]!.privateKey
  files = routerFiles({ dir, rpc: net.url, chainId: net.chainId, token, upstream: upstream.url, settlerKey })
})
afterEach(async () => {
  router.kill('SIGKILL')
  await router.ended
  rmSync(dir, { recursive: true, force: true })
})

/** Starts the router, with these settings of `server`. */
const start = async (server = 'port: 0') => {
  const text = readFileSync(files.config, 'utf8').replace(/server: \{.*\}/, `server: { ${server} }`)
  writeFileSync(files.config, text)
  router = await startRouter(files)
  chat = `${router.url}/v1/chat/completions`
}
const payer = async () => {
  const account = privateKeyToAccount(generatePrivateKey())
  const deployerKey = net.accounts[0]!.privateKey
  await mint({ url: net.url, deployerKey, token, to: account.address, amount: 1_000_000n })
  return account
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const calls = async (): Promise<Call[]> => {
  const ledger = await sqliteLedger(files.db)
  const all = await ledger.calls(undefined, 100)
  await ledger.close()
  return all
}
/** So many words, one every `ms`. */
const slowly =
  (words: number, ms: number): Script =>
  async ({ response, write }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let i = 0; i < words && !response.destroyed; i++) {
      write(chunk({ content: `word${i} ` }))
      await pause(ms)
    }
    write(chunk({}, 'stop'))
    write({ ...chunk({}), choices: [], usage: { prompt_tokens: 10, completion_tokens: words } })
    response.end('data: [DONE]\n\n')
  }
/** Reads until `enough`, and gives the rest as a promise. */
const reading = async (response: Response, enough: string) => {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!text.includes(enough)) text += (await reader.read()).value ?? ''
  const rest = async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value
    return text
  }
  return rest()
}

test('a router that is told to end finishes its streams with their receipts, and whole answers', async () => {
  await start()
  const [ann, bob] = [await payer(), await payer()]
  upstream.script(slowly(30, 100))
  const streaming = await buy(chat, ann, hello({ stream: true }))
  const streamed = reading(streaming, 'word1 ')
  upstream.script(async (ask) => {
    await pause(1_500)
    await goodAnswer(ask)
  })
  const whole = buy(chat, bob, hello())
  await pause(500)
  const from = Date.now()
  router.kill('SIGTERM')
  const answer = await whole
  expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close'])
  expect(answer.headers.get('payment-response')).toBeTruthy()
  expect(await answer.text()).toContain('Hello there')
  const text = await streamed
  expect(text).toContain('word29')
  expect(text).toMatch(/\[DONE\]\n\n: PAYMENT-RESPONSE \S+/)
  expect(await router.ended).toBe('0')
  expect(Date.now() - from).toBeLessThan(8_000)
  const all = await calls()
  expect(all.map((call) => call.service.at)).toEqual(['served', 'served'])
  expect(all.every((call) => call.settlement.at !== 'none')).toBe(true)
})

test('a stream that is longer than the patience is ended in words, with its receipt, and billed for what came', async () => {
  await start('port: 0, drainMs: 500')
  upstream.script(slowly(200, 50))
  const streamed = reading(await buy(chat, await payer(), hello({ stream: true, max_tokens: 400 })), 'word3 ')
  router.kill('SIGTERM')
  const text = await streamed
  expect(text).not.toContain('[DONE]')
  expect(text).toContain('"code":"stream_cut"')
  expect(text).toContain('this instance is shutting down')
  expect(text).toMatch(/: PAYMENT-RESPONSE \S+/)
  expect(await router.ended).toBe('0')
  const [call] = await calls()
  expect(call!.service.at).toBe('partial')
  const { charged } = billOf(call!)!
  expect(charged > 0n && charged < call!.ceiling).toBe(true)
})

test('idle connections are closed at once, the port is free for the next router, and a second one serves', async () => {
  await start()
  const port = Number(new URL(router.url).port)
  const agent = new Agent({ keepAlive: true })
  await new Promise<void>((resolve, reject) => {
    get(`${router.url}/healthz`, { agent }, (response) => response.resume().on('end', () => resolve())).on(
      'error',
      reject,
    )
  })
  const fresh = connect(port, '127.0.0.1').on('error', () => {})
  await new Promise((resolve) => fresh.once('connect', resolve))
  const from = Date.now()
  router.kill('SIGTERM')
  expect(await router.ended).toBe('0')
  expect(Date.now() - from).toBeLessThan(3_000)
  agent.destroy()
  await start(`port: ${port}`)
  expect((await buy(chat, await payer(), hello())).status).toBe(200)
})

test('while balancers notice, calls are still taken by an instance that says it is not ready', async () => {
  await start('port: 0, drainDelayMs: 1500')
  const ann = await payer()
  expect((await fetch(`${router.url}/readyz`)).status).toBe(200)
  router.kill('SIGTERM')
  await pause(200)
  const ready = await fetch(`${router.url}/readyz`)
  expect([ready.status, await ready.json()]).toMatchObject([
    503,
    { ready: false, problems: ['this instance is shutting down'] },
  ])
  expect((await fetch(`${router.url}/healthz`)).status).toBe(200)
  expect((await buy(chat, ann, hello())).status).toBe(200)
  expect(await router.ended).toBe('0')
})

test('nothing is begun after that: a connection that is kept gets a refusal that costs nothing, and can be repeated', async () => {
  await start()
  const [ann, bob] = [await payer(), await payer()]
  const offers = offersOf(await post(chat, hello()))
  const paid = { 'payment-signature': header(await signOffer(bob, offers[0]!)) }
  upstream.script(slowly(20, 100))
  const streamed = reading(await buy(chat, ann, hello({ stream: true })), 'word1 ')
  // A connection whose first request comes while the router ends.
  const { hostname, port } = new URL(chat)
  const socket = connect(Number(port), hostname)
  await new Promise((resolve) => socket.once('connect', resolve))
  await pause(100)
  router.kill('SIGTERM')
  await pause(50)
  const body = JSON.stringify(hello())
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\npayment-signature: ${paid['payment-signature']}\r\n\r\n`
  let said = ''
  socket.on('data', (part) => {
    said += part.toString('utf8')
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(head + body)
  await closed
  expect(said).toMatch(/^HTTP\/1\.1 503 /)
  expect(said).toContain('"code":"shutting_down"')
  expect(said.toLowerCase()).toContain('retry-after: 1')
  expect(said.toLowerCase()).toContain('connection: close')
  await streamed
  expect(await router.ended).toBe('0')
  expect((await calls()).map((call) => call.payer)).toEqual([ann.address.toLowerCase()])
  upstream.script(goodAnswer)
  await start()
  expect((await post(chat, hello(), paid)).status).toBe(200)
})

test('a second signal ends it at once, and the next one puts in order what was left', async () => {
  await start()
  upstream.script(slowly(100, 100))
  const response = await buy(chat, await payer(), hello({ stream: true, max_tokens: 400 }))
  const streamed = reading(response, 'word1 ').catch(() => 'broken')
  router.kill('SIGTERM')
  await pause(300)
  const from = Date.now()
  router.kill('SIGTERM')
  expect(await router.ended).toBe('143')
  expect(Date.now() - from).toBeLessThan(1_000)
  expect(await streamed).toBe('broken')
  await start()
  router.kill('SIGTERM')
  expect(await router.ended).toBe('0')
  expect((await calls()).some(isServing)).toBe(false)
})
