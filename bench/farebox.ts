import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Hex } from '../src/assets.ts'
import { type ServerProcess, type Start, startServer } from './process.ts'
import { path, type World } from './world.ts'

export const PAY_TO: Hex = '0x1111111111111111111111111111111111111111'
export const JSON_HEADERS = { 'content-type': 'application/json' } as const

/** Farebox as a process, on a ledger of its own; `store` is `sqlite` as shipped, `memory`, or the URL of another store. */
export const startFareboxServer = (
  world: World,
  store = 'sqlite',
  more: Partial<Start> = {},
): Promise<ServerProcess> => {
  const name = `farebox-${randomBytes(4).toString('hex')}`
  const file = join(world.dir, `${name}.yaml`)
  const url = store === 'sqlite' ? `sqlite:${join(world.dir, `${name}.db`)}` : store
  writeFileSync(file, yaml(world, url === 'memory' ? 'memory:' : url))
  const env = {
    FAREBOX_QUOTE_SECRET: randomBytes(32).toString('hex'),
    FAREBOX_SETTLER_KEY: world.net.accounts[1]!.privateKey,
    ...more.env,
  }
  return startServer({ script: path('servers/farebox.ts'), args: [file], core: 'measured', ...more, env })
}

/** Several instances over one store that they share, as one contestant: requests go to them in turn. `store`: its URL. */
export const startFleet = async (world: World, store: string, count: number): Promise<ServerProcess> => {
  const env = { FAREBOX_QUOTE_SECRET: randomBytes(32).toString('hex') }
  const all: ServerProcess[] = []
  // One after the other: the first prepares the store.
  for (let i = 0; i < count; i++) all.push(await startFareboxServer(world, store, { env }))
  const first = all[0]!
  world.spread(
    first.url,
    all.slice(1).map((one) => one.url),
  )
  const summed = async (asked: readonly Promise<number>[]): Promise<number> =>
    (await Promise.all(asked)).reduce((sum, one) => sum + one, 0)
  return {
    url: first.url,
    pid: first.pid,
    ask: async <T>(what: string, arg?: unknown): Promise<T> => {
      if (what === 'transfers') return first.ask<T>(what, arg)
      if (what === 'pending' || what === 'nodeRequests')
        return (await summed(all.map((one) => one.ask<number>(what, arg)))) as T
      return (await Promise.all(all.map((one) => one.ask<T>(what, arg))))[0]!
    },
    cpuMs: () => summed(all.map((one) => one.cpuMs())),
    stop: async () => void (await Promise.all(all.map((one) => one.stop()))),
  }
}

// As shipped but for: the limits on unpaid service and on requests, which a bench would meet at once, and quotes that live long enough.
const yaml = ({ net, asset, upstream }: World, store: string): string => `
server: { port: 0, maxConnections: 100000, maxConnectionsPerAddress: 100000 }
store: "${store}"
limits: { unpaid: { perAddress: false }, paid: { perAddress: false, perPayer: false }, signIn: { perAddress: false } }
chains:
  - id: ${asset.chain}
    rpc: ["${net.url}"]
    payTo: "${PAY_TO}"
    assets: [{ symbol: USDC, address: "${asset.address}", methods: [eip3009, permit2] }]
providers:
  - { id: mock, type: openai, baseUrl: "${upstream.url}/v1", maxConcurrent: 0 }
models:
  - { id: bench/small, hosts: [{ provider: mock, model: mock }], inputPerMillion: "1", outputPerMillion: "2" }
  - { id: bench/paced, hosts: [{ provider: mock, model: mock-paced }], inputPerMillion: "1", outputPerMillion: "2" }
  - { id: bench/slow, hosts: [{ provider: mock, model: mock-slow }], inputPerMillion: "1", outputPerMillion: "2" }
  - { id: bench/dear, hosts: [{ provider: mock, model: mock }], inputPerMillion: "100", outputPerMillion: "1000" }
exposure: { perCall: "1000", perPayer: "1000000", total: "100000000" }
quote: { ttlSeconds: 900 }
`

/** A request of 1 KB; models as every contestant's mock knows them, or as Farebox sells them. */
export const requestBody = (model: string, more: Record<string, unknown> = {}): string =>
  JSON.stringify({ model, messages: [{ role: 'user', content: PROMPT }], max_tokens: 256, ...more })

const PROMPT = 'Tell me what the fox did, and then what the dog did about it. '.repeat(15).trim()
