import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import type { Hex } from '../src/assets.ts'
import { type ServerProcess, startServer } from './process.ts'
import { path, type World } from './world.ts'

/** What the money of @x402/hono's calls goes to, and what one costs (token units): the same order as Farebox's quote. */
export const X402_PAY_TO: Hex = '0x2222222222222222222222222222222222222222'
const X402_AMOUNT = '750'
/** What an `upto` of it moves. */
const X402_USED = '630'

/** Installs the peers into a folder of their own, once; false when the registry cannot give them. */
export const installPeers = (): boolean => {
  const marker = path('peers/node_modules/.package-lock.json')
  if (existsSync(marker)) return true
  console.error('bench: installing the peers into bench/peers (once, about 20 s)…')
  const flags = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error']
  const ran = spawnSync('npm', ['install', '--prefix', path('peers'), ...flags], {
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  return ran.status === 0
}

/** Versions of the peers as installed, by name. */
export const peerVersions = (): Record<string, string> =>
  Object.fromEntries(
    ['@portkey-ai/gateway', '@x402/hono', '@x402/evm', 'viem'].map((name) => {
      const text = readFileSync(path(`peers/node_modules/${name}/package.json`), 'utf8')
      return [name, (JSON.parse(text) as { version: string }).version]
    }),
  )

/** Portkey's gateway as shipped, kept on loopback (it would listen on every interface). */
export const startPortkey = (): Promise<ServerProcess> =>
  startServer({
    script: path('peers/node_modules/@portkey-ai/gateway/build/start-server.js'),
    args: ['--headless'],
    env: { BENCH_LOOPBACK: '1' },
    core: 'measured',
  })

/** The headers that make Portkey pass a call through to the mock provider. */
export const portkeyHeaders = (world: World): Record<string, string> => ({
  'content-type': 'application/json',
  'x-portkey-provider': 'openai',
  'x-portkey-custom-host': `${world.upstream.url}/v1`,
  authorization: 'Bearer none',
})

/** @x402/hono's stock middleware, its facilitator in the same process. */
export const startX402 = ({ net, asset, upstream }: World): Promise<ServerProcess> => {
  const facts = {
    rpc: net.url,
    chainId: net.chainId,
    asset: asset.address,
    payTo: X402_PAY_TO,
    amount: X402_AMOUNT,
    used: X402_USED,
    key: net.accounts[2]!.privateKey,
    upstream: upstream.url,
  }
  return startServer({
    script: path('peers/x402.mjs'),
    env: { BENCH_X402: JSON.stringify(facts) },
    core: 'measured',
  })
}
