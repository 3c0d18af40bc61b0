import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAddress } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mint } from '../src/cli/demo/localnet.ts'
import { routerFiles } from './support/process.ts'
import { runProgram } from './support/run.ts'
import { startWorld, type World } from './support/world.ts'

/** A program as a stranger writes it: the packed router and the packed client in one process, from plain JavaScript. */
const STRANGER = `
import { readFileSync } from 'node:fs'
import { readConfig, startFarebox } from 'farebox'
import { payingFetch, walletFromKey } from 'farebox/client'
const router = await startFarebox(readConfig(readFileSync('farebox.yaml', 'utf8'), process.env))
const [chain, address] = process.env.TOKEN.split('/')
const pay = payingFetch({ wallet: walletFromKey(process.env.WALLET), policy: { assets: [{ chain, address, decimals: 6 }] } })
const reply = await pay(router.url + '/v1/chat/completions', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'test/small', stream: true, messages: [{ role: 'user', content: 'hello' }] }),
})
console.log(reply.status, await reply.text(), pay.lastReceipt?.ok)
await router.close()
`

let world: World
let dir: string
beforeAll(async () => {
  world = await startWorld()
  dir = mkdtempSync(join(tmpdir(), 'farebox-pack-'))
})
afterAll(async () => {
  await world.close()
  rmSync(dir, { recursive: true, force: true })
})

test('the packed package, installed elsewhere, sells and buys a streamed call', async () => {
  const packed = await runProgram('npm', ['pack', '--pack-destination', dir])
  expect(packed.code, packed.output).toBe(0)
  const tarball = readdirSync(dir).find((file) => file.endsWith('.tgz'))!
  writeFileSync(
    join(dir, 'package.json'),
    JSON.stringify({ name: 'stranger', private: true, type: 'module' }),
  )
  const install = ['install', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error', `./${tarball}`]
  const installed = await runProgram('npm', install, { cwd: dir })
  expect(installed.code, installed.output).toBe(0)

  const key = generatePrivateKey()
  const { net, token } = world
  const deployerKey = net.accounts[0]!.privateKey
  await mint({ url: net.url, deployerKey, token, to: privateKeyToAddress(key), amount: 5_000_000n })
  const settlerKey = net.accounts[2]!.privateKey
  const files = routerFiles({
    dir,
    rpc: net.url,
    chainId: net.chainId,
    token,
    upstream: world.upstream.url,
    settlerKey,
  })
  writeFileSync(join(dir, 'stranger.mjs'), STRANGER)
  const env = { ...files.env, WALLET: key, TOKEN: `eip155:${net.chainId}/${token}` }
  const ran = await runProgram(process.execPath, ['stranger.mjs'], { cwd: dir, env })
  expect(ran.output).toContain('data: [DONE]')
  expect(ran.output).toMatch(/true\n/)
  expect(ran.code, ran.output).toBe(0)

  const help = await runProgram(process.execPath, ['node_modules/.bin/farebox', '--help'], { cwd: dir })
  expect(help.output).toContain('serve')
  expect(help.code).toBe(0)
}, 240_000)
