/** Finds who asks by its bearer key or by its wallet: what calls look up, kept in memory as long as nothing changes. */
import type { Clock } from '../clock.ts'
import { fail } from '../errors.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Records } from '../store/records.ts'
import { type Caller, callerOf, NOBODY, walletCaller } from './caller.ts'
import { isHashOf, isWellFormed, prefixOf } from './keys.ts'
import type { Budget, Node, Rules } from './node.ts'
import { NAMES, NODES } from './tables.ts'

export type Directory = {
  /**
   * Who asks. With a bearer key that key, and a wallet that belongs to another key is refused; else the key of the wallet;
   * else the wallet itself under the default policy. Throws `key_invalid` for a key that is not known. No promise where
   * there is nothing to look up.
   */
  who: (asks: { bearer: string | undefined; wallet: string | undefined }) => Caller | Promise<Caller>
  /** The node of a key and all above it, the organisation first; read anew. */
  nodes: (id: string) => Promise<Node[]>
  start: () => void
  stop: () => void
}

export type Policy = { allow: boolean; rules: Rules; budgets: readonly Budget[] }

/** How old what is kept may be where others change it, ms: so late a freeze is known everywhere. */
const EVERY_MS = 500
/** Callers that are kept. */
const MOST = 20_000

export const createDirectory = (facts: {
  records: Records
  clock: Clock
  log: Log
  /** What binds a wallet that no key has; read each time. */
  policy: () => Policy
}): Directory => {
  const { records, clock, log, policy } = facts
  const kept = new Map<string, { caller: Caller | undefined; hash?: string | undefined }>()
  let revision: number | undefined
  let looked = Number.NEGATIVE_INFINITY
  let looking: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const refresh = async (): Promise<void> => {
    const now = clock.now()
    const seen = await records.revision(NODES)
    if (seen !== revision) kept.clear()
    revision = seen
    looked = now
  }
  /** One look at a time, for all who wait for it; rejects when the store does not say. */
  const refreshed = (): Promise<void> => {
    looking ??= refresh().finally(() => {
      looking = undefined
    })
    return looking
  }
  /** At most so old is what is kept; when the store does not say, nobody is let in by it. */
  const fresh = (): void | Promise<void> => {
    if (clock.now() - looked >= 2 * EVERY_MS) return refreshed()
  }
  const again = () =>
    void refreshed().catch((error: unknown) => log.info('accounts_not_seen', { why: reasonOf(error) }))

  const nodes = async (id: string): Promise<Node[]> => {
    const node = (await records.get<Node>(NODES, id))?.value
    if (!node) return []
    const above = await records.many<Node>(NODES, node.above)
    return [...above.flatMap((row) => (row ? [row.value] : [])), node]
  }

  const find = async (
    name: string,
    bearer: boolean,
  ): Promise<{ caller: Caller | undefined; hash?: string | undefined }> => {
    const found = kept.get(name)
    if (found) return found
    const at = revision
    const id = (await records.get<string>(NAMES, name))?.value
    const line = id === undefined ? [] : await nodes(id)
    const key = line.at(-1)?.key
    const made = { caller: line.length > 0 ? callerOf(line, bearer) : undefined, hash: key?.hash }
    if (kept.size >= MOST) kept.clear()
    // Read while something changed, it may be old already.
    if (at === revision) kept.set(name, made)
    return made
  }

  const byBearer = async (secret: string): Promise<Caller> => {
    if (!isWellFormed(secret)) throw fail('key_invalid')
    const { caller, hash } = await find(`bearer:${prefixOf(secret)}`, true)
    if (!caller || !isHashOf(hash ?? '', secret)) throw fail('key_invalid')
    return caller
  }

  const look = async (bearer: string | undefined, wallet: string | undefined): Promise<Caller> => {
    await fresh()
    const own = wallet === undefined ? undefined : (await find(`wallet:${wallet}`, false)).caller
    if (bearer !== undefined) {
      const caller = await byBearer(bearer)
      if (own && own.path.at(-1) !== caller.path.at(-1)) throw fail('key_mismatch')
      return caller
    }
    return own ?? nobody(wallet)
  }

  const nobody = (wallet: string | undefined): Caller => {
    const { allow, rules, budgets } = policy()
    // What something costs may be asked by anybody; who pays must be known then.
    if (!allow && wallet !== undefined) throw fail('key_invalid')
    const bound = budgets.length > 0 || Object.keys(rules).length > 0
    return wallet === undefined || !bound ? NOBODY : walletCaller(wallet, { rules, budgets })
  }

  return {
    who: ({ bearer, wallet }) => {
      // Who shows nothing is nobody, whatever the store says or does not say.
      if (bearer === undefined && wallet === undefined) return nobody(undefined)
      const current = clock.now() - looked < 2 * EVERY_MS
      // Of a router without accounts nothing is looked up.
      if (current && bearer === undefined && revision === 0) return nobody(wallet)
      return look(bearer, wallet)
    },
    nodes,
    start: () => {
      again()
      timer = setInterval(again, EVERY_MS)
      timer.unref()
    },
    stop: () => clearInterval(timer),
  }
}
