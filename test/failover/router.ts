import { createCatalog } from '../../src/catalog/catalog.ts'
import type { Call } from '../../src/ledger/call.ts'
import { quietLog } from '../../src/log.ts'
import { type Farebox, startFarebox } from '../../src/main.ts'
import type { Receipt } from '../../src/wire/receipt.ts'
import { startWall, type Wall } from '../support/faulty-upstream.ts'
import { model, prices } from '../support/models.ts'
import { buy } from '../support/pay.ts'
import { receiptOf, streamed } from '../support/receipt.ts'
import type { Seen } from '../support/upstream.ts'
import type { World } from '../support/world.ts'

export type Mode = 'SSE' | 'JSON'

/** A paid call as all sides saw it: its caller, the providers, the ledger. */
export type Heard = {
  mode: Mode
  status: number
  headers: Headers
  text: string
  /** Shown as a success: a whole JSON answer, or a stream that ended with [DONE]. */
  success: boolean
  code: string | undefined
  /** What the body says: who answered, and what it used. */
  model: string | undefined
  usage: unknown
  receipt: Receipt | undefined
  call: Call
  ms: number
  primary: readonly Seen[]
  twin: readonly Seen[]
  fallback: readonly Seen[]
}

/** A router with payment on, before a wall of faulty hosts. */
export type Bench = {
  farebox: Farebox
  wall: Wall
  /** A new wallet asks, pays, and asks again. */
  ask: (body: Record<string, unknown>, mode: Mode) => Promise<Heard>
  /** Forgets which hosts failed. */
  wake: () => void
  settle: () => Promise<void>
  close: () => Promise<void>
}

/**
 * Starts one with `bench/asked` (at `primary`, $1 and $2 per million), `bench/twins` (at `primary` and `twin`) and
 * `bench/other` (at `fallback`, $3 and $6). `scale` 1: thirty seconds of patience, ten between two events.
 */
export const startBench = async (world: World, scale: number): Promise<Bench> => {
  const wall = await startWall()
  const at = (provider: string, input: string, output: string) => ({
    provider,
    model: `${provider}-model`,
    prices: prices(input, output),
  })
  const limits = { firstByteMs: 30_000 * scale, idleMs: 10_000 * scale, maxConcurrent: 512 }
  const providers = (['primary', 'twin', 'fallback'] as const).map((id) => ({
    id,
    type: 'openai' as const,
    baseUrl: wall[id].url,
    ...limits,
  }))
  const farebox = await startFarebox(
    {
      ...world.config,
      store: 'memory:',
      providers,
      catalog: createCatalog([
        model('bench/asked', { hosts: [at('primary', '1', '2')] }),
        model('bench/twins', { hosts: [at('primary', '1', '2'), at('twin', '2', '4')] }),
        model('bench/other', { hosts: [at('fallback', '3', '6')] }),
      ]),
    },
    { log: quietLog },
  )
  const settler = farebox.deps.settler(`eip155:${world.net.chainId}`)
  const marks = () => [wall.primary.seen.length, wall.twin.seen.length, wall.fallback.seen.length] as const

  const ask = async (more: Record<string, unknown>, mode: Mode): Promise<Heard> => {
    const [primary, twin, fallback] = marks()
    const payer = await world.payer()
    const started = Date.now()
    const body = {
      model: 'bench/asked',
      models: ['bench/other'],
      messages: [{ role: 'user', content: 'Explain in sixty words why a fault is no excuse.' }],
      max_tokens: 100,
      ...(mode === 'SSE' && { stream: true, stream_options: { include_usage: true } }),
      ...more,
    }
    const response = await buy(`${farebox.url}/v1/chat/completions`, payer, body)
    const told =
      mode === 'SSE' && response.status === 200 ? await heardStream(response) : await heardJson(response)
    return {
      mode,
      status: response.status,
      headers: response.headers,
      ...told,
      call: (await farebox.deps.ledger.call(response.headers.get('x-farebox-call')!))!,
      ms: Date.now() - started,
      primary: wall.primary.seen.slice(primary),
      twin: wall.twin.seen.slice(twin),
      fallback: wall.fallback.seen.slice(fallback),
    }
  }

  return {
    farebox,
    wall,
    ask,
    wake: () => {
      for (const { id } of providers) farebox.deps.health.forget(id)
    },
    settle: async () => {
      for (let i = 0; i < 100 && settler.pending() > 0; i++) {
        await settler.tick()
        if (settler.pending() > 0) await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    close: async () => {
      await farebox.close(1_000)
      await wall.close()
    },
  }
}

type Told = Pick<Heard, 'text' | 'success' | 'code' | 'model' | 'usage' | 'receipt'>
type Body = {
  model?: string
  usage?: unknown
  choices?: { message?: { content?: string } }[]
  error?: { code: string }
}

const heardJson = async (response: Response): Promise<Told> => {
  const { model, usage, choices, error } = (await response.clone().json()) as Body
  const success = response.status === 200
  const receipt = response.headers.has('payment-response') ? receiptOf(response) : undefined
  return { text: choices?.[0]?.message?.content ?? '', success, code: error?.code, model, usage, receipt }
}

const heardStream = async (response: Response): Promise<Told> => {
  const { data, text, receipt } = await streamed(response)
  const bodies = data.filter((one) => one !== '[DONE]').map((one) => JSON.parse(one) as Body)
  return {
    text,
    success: data.at(-1) === '[DONE]',
    code: bodies.find((one) => one.error)?.error?.code,
    model: bodies.find((one) => one.model)?.model,
    usage: bodies.find((one) => one.usage)?.usage,
    receipt,
  }
}
