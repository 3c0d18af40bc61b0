import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Hex } from '../src/assets.ts'
import { type ServerProcess, type Start, startServer } from './process.ts'
import { path, type World } from './world.ts'

export const PAY_TO: Hex = '0x1111111111111111111111111111111111111111'
export const JSON_HEADERS = { 'content-type': 'application/json' } as const

/** Farebox as a process, on a ledger of its own; `store` is `sqlite` as shipped, or `memory`. */
export const startFareboxServer = (
  world: World,
  store: 'sqlite' | 'memory' = 'sqlite',
  more: Partial<Start> = {},
): Promise<ServerProcess> => {
  const name = `${store}-${randomBytes(4).toString('hex')}`
  const file = join(world.dir, `${name}.yaml`)
  writeFileSync(file, yaml(world, store === 'memory' ? 'memory:' : `sqlite:${join(world.dir, `${name}.db`)}`))
  const env = {
    FAREBOX_QUOTE_SECRET: randomBytes(32).toString('hex'),
    FAREBOX_SETTLER_KEY: world.net.accounts[1]!.privateKey,
  }
  return startServer({ script: path('servers/farebox.ts'), args: [file], env, core: 'measured', ...more })
}

// As shipped but for: the limits on unpaid service, which a bench would meet at once, and quotes that live long enough.
const yaml = ({ net, asset, upstream }: World, store: string): string => `
server: { port: 0 }
store: "${store}"
chains:
  - id: ${asset.chain}
    rpc: ["${net.url}"]
    payTo: "${PAY_TO}"
    assets: [{ symbol: USDC, address: "${asset.address}", methods: [eip3009, permit2] }]
providers:
  - { id: mock, type: openai, baseUrl: "${upstream.url}/v1" }
models:
  - { id: bench/small, hosts: [{ provider: mock, model: mock }], inputPerMillion: "1", outputPerMillion: "2" }
  - { id: bench/paced, hosts: [{ provider: mock, model: mock-paced }], inputPerMillion: "1", outputPerMillion: "2" }
  - { id: bench/dear, hosts: [{ provider: mock, model: mock }], inputPerMillion: "100", outputPerMillion: "1000" }
exposure: { perCall: "1000", perPayer: "1000000", total: "100000000" }
quote: { ttlSeconds: 900 }
`

/** A request of 1 KB; models as every contestant's mock knows them, or as Farebox sells them. */
export const requestBody = (model: string, more: Record<string, unknown> = {}): string =>
  JSON.stringify({ model, messages: [{ role: 'user', content: PROMPT }], max_tokens: 256, ...more })

const PROMPT = 'Tell me what the fox did, and then what the dog did about it. '.repeat(15).trim()
