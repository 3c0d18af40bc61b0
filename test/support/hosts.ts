import { createCatalog } from '../../src/catalog/catalog.ts'
import { quietLog } from '../../src/log.ts'
import { type Farebox, startFarebox } from '../../src/main.ts'
import { model, prices } from './models.ts'
import { buy } from './pay.ts'
import { startUpstream, type Upstream } from './upstream.ts'
import type { World } from './world.ts'

/** A second router on a world's chain, whose models answer at two scripted providers. */
export type Hosts = {
  farebox: Farebox
  /** POST here. */
  chat: string
  first: Upstream
  second: Upstream
  rpc: World['rpc']
  settle: () => Promise<void>
  upstream: { readonly seen: Upstream['seen'] }
  /** A new wallet asks, pays and asks again. */
  buy: (body: unknown, headers?: Record<string, string>) => Promise<Response>
  /** Forgets which providers failed. */
  wake: () => void
  close: () => Promise<void>
}

const FIRST_BYTE_MS = 800
const IDLE_MS = 600

/**
 * Starts one with `test/two` ($1 and $2 per million at `first`, $3 and $6 at `second`), `test/one` (at `first` only)
 * and `test/other` (at `second` only). Its first byte may take 800 ms, its silences 600 ms.
 */
export const startHosts = async (world: World): Promise<Hosts> => {
  const [first, second] = [await startUpstream(), await startUpstream()]
  const at = (provider: string, input: string, output: string) => ({
    provider,
    model: `${provider}-model`,
    prices: prices(input, output, provider === 'first' ? '0.5' : input),
  })
  const limits = { firstByteMs: FIRST_BYTE_MS, idleMs: IDLE_MS, maxConcurrent: 512 }
  const farebox = await startFarebox(
    {
      ...world.config,
      store: 'memory:',
      providers: [
        { id: 'first', type: 'openai', baseUrl: first.url, ...limits },
        { id: 'second', type: 'openai', baseUrl: second.url, ...limits },
      ],
      catalog: createCatalog([
        model('test/two', { hosts: [at('first', '1', '2'), at('second', '3', '6')] }),
        model('test/one', { hosts: [at('first', '1', '2')] }),
        model('test/other', { hosts: [at('second', '3', '6')] }),
        model('test/vectors', { kind: 'embedding', hosts: [at('first', '1', '2'), at('second', '3', '6')] }),
      ]),
    },
    { log: quietLog },
  )
  const chat = `${farebox.url}/v1/chat/completions`
  const settler = farebox.deps.settler(`eip155:${world.net.chainId}`)
  return {
    farebox,
    chat,
    first,
    second,
    rpc: world.rpc,
    settle: async () => {
      for (let i = 0; i < 100 && settler.pending() > 0; i++) {
        await settler.tick()
        if (settler.pending() > 0) await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    upstream: {
      get seen() {
        return [...first.seen, ...second.seen]
      },
    },
    buy: async (body, headers) => buy(chat, await world.payer(), body, headers),
    wake: () => {
      for (const name of ['first', 'second']) farebox.deps.health.forget(name)
    },
    close: async () => {
      await farebox.close(1000)
      await Promise.all([first.close(), second.close()])
    },
  }
}
