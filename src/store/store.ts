/**
 * store/: Redis as several instances share it, and what they need beside the ledger: a lease, and signs of life. Every
 * write is a Lua script that may be sent again; whatever cannot be answered in time is refused, never guessed.
 */
import { hash } from 'node:crypto'

/** A Lua script; every key it touches begins with KEYS[1] up to its hash tag, so that a Cluster can run it. */
export type Script = { lua: string; sha: string }

/** Names a script by its SHA-1, as Redis does. */
export const script = (lua: string): Script => ({ lua, sha: hash('sha1', lua, 'hex') })

/** Puts the time of Redis, ms, into a script's `now`: the clocks of instances need not agree. */
export const LUA_NOW = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`

export type Arg = string | number

/** A connection that fails fast: each call settles within about a second, and rejects with `ledger_unavailable` when there is no answer. */
export type Store = {
  /** What all keys of this fleet begin with: `{farebox}:`; one hash tag, so one slot of a Cluster. */
  prefix: string
  /** What a call here means is decided by the script; after a lost reply it may have run. */
  run: (script: Script, keys: readonly string[], args: readonly Arg[]) => Promise<unknown>
  /** One command that only reads. */
  read: (command: string, ...args: Arg[]) => Promise<unknown>
  /** Goes up with each connection: what answers now may be another server than before. */
  generation: () => number
  /** Whether what was written is on as many replicas as the URL asks for; true when it asks for none. */
  copied: () => Promise<boolean>
  close: () => Promise<void>
}
