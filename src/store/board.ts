import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { LUA_NOW, type Store, script } from './store.ts'

/**
 * Short notes that instances leave for each other, such as which host fails. Read from memory, so never in the way of a
 * call: what others wrote is known within about a second, and a store that is away makes the notes older, not the calls slower.
 */
export type Board = {
  read: (name: string) => string | undefined
  /** All notes whose names begin with this. */
  under: (prefix: string) => Readonly<Record<string, string>>
  /** The last one who writes is right; the note ends by itself. */
  write: (name: string, text: string, ttlMs: number) => void
  erase: (name: string) => void
  start: () => void
  stop: () => void
}

type Note = { text: string; until: number }

/** Notes of one who is alone. */
export const memoryBoard = ({ clock }: { clock: Clock }): Board => {
  const notes = new Map<string, Note>()
  const read = (name: string): string | undefined => {
    const note = notes.get(name)
    if (note && note.until > clock.now()) return note.text
    notes.delete(name)
    return undefined
  }
  return {
    read,
    under: (prefix) =>
      Object.fromEntries(
        [...notes.keys()]
          .filter((name) => name.startsWith(prefix))
          .map((name) => [name, read(name)] as const)
          .filter((row): row is [string, string] => row[1] !== undefined),
      ),
    write: (name, text, ttlMs) => void notes.set(name, { text, until: clock.now() + ttlMs }),
    erase: (name) => void notes.delete(name),
    start: () => {},
    stop: () => {},
  }
}

const EVERY_MS = 500

/** Notes that are shared through Redis, all in one hash that is read twice a second. */
export const redisBoard = ({ store, clock, log }: { store: Store; clock: Clock; log: Log }): Board => {
  const own = memoryBoard({ clock })
  const key = `${store.prefix}board`
  /** Written here, and not yet known to be read back: the hash may still say otherwise. */
  const fresh = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined
  let told = false

  const pull = async (): Promise<void> => {
    const asked = clock.now()
    const rows = (await store.run(PULL, [key], [])) as string[]
    const seen = new Set<string>()
    for (let i = 0; i < rows.length; i += 3) {
      const [name, left, text] = rows.slice(i, i + 3) as [string, string, string]
      seen.add(name)
      if ((fresh.get(name) ?? 0) < asked) own.write(name, text, Number(left))
    }
    for (const name of Object.keys(own.under('')))
      if (!seen.has(name) && (fresh.get(name) ?? 0) < asked) own.erase(name)
    for (const [name, at] of fresh) if (at < asked) fresh.delete(name)
    told = false
  }
  const say = (run: Promise<unknown>, name?: string) => {
    // In flight it is younger than any answer; afterwards the hash is right.
    if (name !== undefined) fresh.set(name, Number.POSITIVE_INFINITY)
    run
      .then(() => name !== undefined && fresh.set(name, clock.now()))
      .catch(() => {
        if (name !== undefined) fresh.set(name, clock.now() + EVERY_MS)
        if (!told) log.info('board_away')
        told = true
      })
  }

  return {
    read: own.read,
    under: own.under,
    write: (name, text, ttlMs) => {
      own.write(name, text, ttlMs)
      say(store.run(WRITE, [key], [name, text, ttlMs]), name)
    },
    erase: (name) => {
      if (own.read(name) === undefined) return
      own.erase(name)
      say(store.run(ERASE, [key], [name]), name)
    },
    start: () => {
      say(pull())
      timer = setInterval(() => say(pull()), EVERY_MS)
    },
    stop: () => clearInterval(timer),
  }
}

/** KEYS: the board. ARGV: name, text, ms. */
const WRITE = script(`${LUA_NOW}
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now + ARGV[3]) .. ARGV[2])
`)
/** KEYS: the board. ARGV: name. */
const ERASE = script(`redis.call('HDEL', KEYS[1], ARGV[1])`)
/** KEYS: the board. Returns name, ms left and text in turn; what has ended is removed. */
const PULL = script(`${LUA_NOW}
local rows, all = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local till, text = all[i + 1]:match('^(%d+) (.*)$')
  local left = till and tonumber(till) - now or 0
  if left > 0 then
    rows[#rows + 1] = all[i]
    rows[#rows + 1] = string.format('%.0f', left)
    rows[#rows + 1] = text
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return rows
`)
