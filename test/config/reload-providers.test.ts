import { expect, test, vi } from 'vitest'
import type { Config } from '../../src/config.ts'
import { createProviders } from '../../src/main/providers.ts'
import type { Answer, Ask, Provider } from '../../src/providers/provider.ts'

type Made = {
  id: string
  baseUrl: string | undefined
  answers: ((answer: Answer) => void)[]
  closed: boolean
}

const config = (urls: Record<string, string>, keys: Record<string, string> = {}) =>
  ({
    providers: Object.entries(urls).map(([id, baseUrl]) => ({ id, type: 'openai', baseUrl })),
    secrets: { providerKeys: keys },
  }) as unknown as Config

const start = () => {
  const made: Made[] = []
  const open = ({ id, baseUrl }: { id: string; baseUrl?: string | undefined }): Provider => {
    const one: Made = { id, baseUrl, answers: [], closed: false }
    made.push(one)
    return {
      id,
      lacks: () => new Set(),
      ask: () => new Promise((resolve) => one.answers.push(resolve)),
      close: async () => {
        one.closed = true
      },
    }
  }
  const providers = createProviders({ open, honourMs: () => 90_000 })
  providers.take(config({ up: 'one' }))
  return { made, providers }
}

const asking = (signal: AbortSignal = new AbortController().signal) => ({ signal }) as unknown as Ask
const JSON_ANSWER: Answer = { kind: 'json', text: '{}', body: {} }
const STREAM: Answer = { kind: 'stream', events: (async function* () {})() }

test('a provider that stays as it is is kept, with its connections', () => {
  const { made, providers } = start()
  providers.take(config({ up: 'one', more: 'two' }))
  expect(made.map((one) => one.id)).toEqual(['up', 'more'])
  expect(made[0]!.closed).toBe(false)
})

test('a new key is a new provider', () => {
  const { made, providers } = start()
  providers.take(config({ up: 'one' }, { up: 'another key' }))
  expect(made.map((one) => one.closed)).toEqual([true, false])
})

test('an answer in one piece ends at the provider that began it, which is closed then', async () => {
  const { made, providers } = start()
  const running = providers.get('up')!.ask(asking())
  providers.take(config({ up: 'two' }))
  expect(made[0]!.closed).toBe(false)
  expect(providers.get('up')).toBeDefined()
  void providers.get('up')!.ask(asking())
  expect(made[1]!.answers).toHaveLength(1)
  made[0]!.answers[0]!(JSON_ANSWER)
  expect(await running).toBe(JSON_ANSWER)
  expect(made.map((one) => one.closed)).toEqual([true, false])
})

test('a stream holds its provider until its caller lets go', async () => {
  const { made, providers } = start()
  const caller = new AbortController()
  const running = providers.get('up')!.ask(asking(caller.signal))
  providers.take(config({ up: 'two' }))
  made[0]!.answers[0]!(STREAM)
  await running
  expect(made[0]!.closed).toBe(false)
  caller.abort()
  expect(made[0]!.closed).toBe(true)
})

test('a provider that is taken out still answers what was quoted before, and no longer', () => {
  vi.useFakeTimers()
  const { made, providers } = start()
  providers.take(config({ other: 'two' }))
  expect(providers.get('up')).toBeDefined()
  vi.advanceTimersByTime(89_999)
  expect([providers.get('up') !== undefined, made[0]!.closed]).toEqual([true, false])
  vi.advanceTimersByTime(2)
  expect([providers.get('up'), made[0]!.closed]).toEqual([undefined, true])
  vi.useRealTimers()
})

test('all are closed in the end, also what still runs', async () => {
  const { made, providers } = start()
  void providers.get('up')!.ask(asking())
  providers.take(config({ up: 'two' }))
  await providers.close()
  expect(made.map((one) => one.closed)).toEqual([true, true])
})
