import type { Config } from '../config.ts'
import type { Provider } from '../providers/provider.ts'

type Settings = Config['providers'][number] & { key: string | undefined }

/** The providers of a router, which can be exchanged while it runs. */
export type Providers = {
  get: (id: string) => Provider | undefined
  /** Opens those of a configuration and puts them in the place of what is there; one that stays as it is is kept. */
  take: (config: Config) => void
  /** Closes all, also what still runs. */
  close: () => Promise<void>
}

type Entry = { settings: string; provider: Provider; asks: number; leaving: boolean }

export type ProvidersFacts = {
  open: (one: Config['providers'][number], config: Config) => Provider
  /** How long one that is gone is still asked for calls that were quoted before, ms. */
  honourMs: () => number
}

/** Opens providers as `take` says. What runs on one that was replaced ends there; then it is closed. */
export const createProviders = ({ open, honourMs }: ProvidersFacts): Providers => {
  let current = new Map<string, Entry>()
  const gone = new Map<string, Entry>()
  const all = new Set<Entry>()

  const closeIdle = (entry: Entry): void => {
    if (!entry.leaving || entry.asks > 0 || !all.delete(entry)) return
    void entry.provider.close().catch(() => {})
  }
  const leave = (entry: Entry): void => {
    entry.leaving = true
    closeIdle(entry)
  }
  const openEntry = (one: Config['providers'][number], config: Config): Entry => {
    const inner = open(one, config)
    const entry: Entry = { settings: textOf(one, config), provider: inner, asks: 0, leaving: false }
    const ended = () => {
      entry.asks--
      closeIdle(entry)
    }
    entry.provider = counted(inner, () => {
      entry.asks++
      return ended
    })
    return entry
  }
  /** Quoted calls may still come for one that no longer is in the configuration. */
  const retire = (id: string, entry: Entry): void => {
    gone.set(id, entry)
    setTimeout(() => {
      if (gone.get(id) === entry) gone.delete(id)
      leave(entry)
    }, honourMs()).unref()
  }

  return {
    get: (id) => (current.get(id) ?? gone.get(id))?.provider,
    take: (config) => {
      const before = current
      const opened = config.providers.map((one): [string, Entry] => {
        const old = before.get(one.id)
        return [one.id, old?.settings === textOf(one, config) ? old : openEntry(one, config)]
      })
      current = new Map(opened)
      for (const [, entry] of opened) all.add(entry)
      for (const [id, entry] of before) {
        if (current.get(id) === entry) continue
        if (current.has(id)) leave(entry)
        else retire(id, entry)
      }
    },
    close: async () => {
      await Promise.all([...all].map((entry) => entry.provider.close()))
    },
  }
}

const textOf = (one: Config['providers'][number], config: Config): string =>
  JSON.stringify({ ...one, key: config.secrets.providerKeys[one.id] } satisfies Settings)

/** Says when an ask begins and ends: with its answer, or for a stream when its caller lets go of it, which every caller does. */
const counted = (provider: Provider, begin: () => () => void): Provider => ({
  ...provider,
  ask: async (ask) => {
    const end = once(begin())
    try {
      const answer = await provider.ask(ask)
      if (answer.kind === 'json' || ask.signal.aborted) end()
      else ask.signal.addEventListener('abort', end, { once: true })
      return answer
    } catch (error) {
      end()
      throw error
    }
  },
})

const once = (run: () => void): (() => void) => {
  let ran = false
  return () => {
    if (ran) return
    ran = true
    run()
  }
}
