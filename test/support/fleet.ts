import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Balancer, startBalancer } from './balancer.ts'
import { type RouterProcess, startRouter } from './process.ts'
import { freePort } from './redis.ts'
import { PAY_TO } from './world.ts'

/** How many instances a fleet has where nothing else is said; docker-compose.yml starts as many. */
export const FLEET_SIZE = 3

export type FleetFacts = {
  instances?: number
  /** The store of the whole fleet, or of each instance by its number (each may go through a proxy of its own). */
  store: string | ((instance: number) => string)
  rpc: string | ((instance: number) => string)
  chainId: number
  token: string
  /** Base URL of the provider, ending in /v1; of each instance where it is to be told who asks. */
  upstream: string | ((instance: number) => string)
  settlerKey: string
  /** More environment variables. */
  env?: Record<string, string>
  /** YAML lines that replace or add to top-level keys. */
  extra?: string
  confirmations?: number
  /** YAML of more keys of the chain and of its asset, such as `methods: [eip3009, permit2]`. */
  asset?: string
  checkMs?: number
  /** As `server.drainDelayMs`: longer than the balancer takes to notice. */
  drainDelayMs?: number
  /** Gets what each instance writes, as it comes. */
  heard?: (instance: number, text: string) => void
}

/** One `farebox serve` of a fleet; its URL stays the same over restarts. */
export type Instance = { url: string; config: string; process: RouterProcess | undefined }

export type Fleet = {
  /** The balancer's: POST here as a customer would. */
  url: string
  chat: string
  instances: readonly Instance[]
  balancer: Balancer
  /** Sends a signal and resolves when the process is gone, at once for SIGSTOP and SIGCONT; with how it ended. */
  kill: (instance: number, signal?: NodeJS.Signals) => Promise<string | undefined>
  /** Starts an instance again, killing it first when it runs, and resolves when the balancer sends it requests. `crashAt` as of `startRouter`. */
  restart: (instance: number, crashAt?: string) => Promise<void>
  close: () => Promise<void>
}

/** Starts instances over one store and a balancer before them, and resolves when all of them get requests. */
export const startFleet = async (facts: FleetFacts): Promise<Fleet> => {
  const size = facts.instances ?? FLEET_SIZE
  const dir = mkdtempSync(join(tmpdir(), 'farebox-fleet-'))
  const urls: string[] = []
  for (let i = 0; i < size; i++) urls.push(`http://127.0.0.1:${await freePort()}`)
  const balancer = await startBalancer({ targets: urls, checkMs: facts.checkMs ?? 200 })
  const instances: Instance[] = urls.map((url, i) => {
    const config = join(dir, `farebox-${i}.yaml`)
    writeFileSync(config, instanceYaml(facts, { instance: i, url, publicUrl: balancer.url }))
    return { url, config, process: undefined }
  })
  const env = {
    FAREBOX_QUOTE_SECRET: 'a-quote-secret-that-is-long-enough-for-tests',
    FAREBOX_SETTLER_KEY: facts.settlerKey,
    ...facts.env,
  }

  const start = async (i: number, crashAt?: string): Promise<void> => {
    const instance = instances[i]!
    const { heard } = facts
    const files = {
      config: instance.config,
      db: '',
      env,
      ...(heard && { heard: (text: string) => heard(i, text) }),
    }
    const process = await startRouter(files, crashAt)
    instance.process = process
    void process.ended.then(() => {
      if (instance.process === process) instance.process = undefined
    })
  }
  const kill = async (i: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<string | undefined> => {
    const { process } = instances[i]!
    process?.kill(signal)
    return signal === 'SIGSTOP' || signal === 'SIGCONT' ? undefined : process?.ended
  }
  const close = async () => {
    await Promise.all(instances.map((_, i) => kill(i)))
    await balancer.close()
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    await Promise.all(instances.map((_, i) => start(i)))
    await balancer.settled(instances.map((_, i) => i))
  } catch (error) {
    await close()
    throw error
  }
  return {
    url: balancer.url,
    chat: `${balancer.url}/v1/chat/completions`,
    instances,
    balancer,
    kill,
    restart: async (i, crashAt) => {
      await kill(i)
      await start(i, crashAt)
      await balancer.settled([...new Set([...balancer.inRotation(), i])].sort((a, b) => a - b))
    },
    close,
  }
}

/** The configuration of one instance: what it says is the same for all but where it listens. */
export const instanceYaml = (
  facts: FleetFacts,
  { instance, url, publicUrl }: { instance: number; url: string; publicUrl: string },
): string => {
  const one = (given: string | ((instance: number) => string)): string =>
    typeof given === 'string' ? given : given(instance)
  const { hostname, port } = new URL(url)
  return `
server: { host: "${hostname}", port: ${port}, publicUrl: "${publicUrl}", drainDelayMs: ${facts.drainDelayMs ?? 0} }
store: "${one(facts.store)}"
chains:
  - id: eip155:${facts.chainId}
    rpc: ["${one(facts.rpc)}"]
    payTo: "${PAY_TO}"
    confirmations: ${facts.confirmations ?? 1}
    pollMs: 100
    assets: [{ symbol: USDC, address: "${facts.token}", decimals: 6, name: USD Coin, version: "2", ${facts.asset ?? 'methods: [eip3009]'} }]
providers: [{ id: up, type: openai, baseUrl: "${one(facts.upstream)}", firstByteMs: 2000, idleMs: 2000 }]
models:
  - { id: test/small, hosts: [{ provider: up, model: upstream-model }], inputPerMillion: "1", outputPerMillion: "2", context: 8000, maxOutput: 1000 }
${facts.extra ?? ''}
`
}
