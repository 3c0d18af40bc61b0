/** What waits for somebody else's yes: a dear call, a larger budget, a key with wide scope. */
import { hash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { fail, type Refusal } from '../errors.ts'
import { randomId } from '../ids.ts'
import { stands } from '../ledger/apply.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { parseUsd, printUsd, type Usd } from '../money.ts'
import type { Json, Put, Records, Row } from '../store/records.ts'
import type { Bound, Caller } from './caller.ts'
import { told } from './events.ts'
import { type NodeId, SITE } from './node.ts'
import { APPROVALS, ASKED } from './tables.ts'

export type Approval = {
  id: string
  kind: 'call' | 'operation'
  /** The model that was asked for, or the name of the operation. */
  what: string
  why: string
  by: { user: string; name: string }
  /** The node whose approvers may decide, and its path. */
  at: NodeId
  path: readonly NodeId[]
  /** Digest of exactly what may be done. */
  ask: string
  /** Of a call: the most that it may cost, USD. */
  ceiling?: string
  status: 'waiting' | 'approved' | 'refused' | 'used'
  created: number
  /** ms; neither decided nor used from then on. */
  expires: number
  decidedBy?: { user: string; name: string }
  decidedAt?: number
  note?: string
}

/** How it stands for people: one that was not decided or used in time has expired. */
export const statusOf = ({ status, expires }: Approval, now: number): Approval['status'] | 'expired' =>
  expires <= now && (status === 'waiting' || status === 'approved') ? 'expired' : status

/** Calls of one key that may wait at once. */
const MOST_WAITING = 50
/** Decided ones are kept so long for who looks back, ms. */
const HISTORY_MS = 90 * 86_400_000

type Asked = Pick<Approval, 'kind' | 'what' | 'why' | 'by' | 'at' | 'path' | 'ask' | 'ceiling'>

/** The writes that ask for an approval and tell who may decide. `now` and `ttl` in ms. */
export const asking = (asked: Asked, now: number, ttl: number): { approval: Approval; writes: Put[] } => {
  const id = `apr_${now.toString(36).padStart(9, '0')}_${randomId()}`
  const approval: Approval = { ...asked, id, status: 'waiting', created: now, expires: now + ttl }
  const { at, path, kind, what, why, by, ceiling } = approval
  const about = { approval: id, kind, what, why, by: by.name, ...(ceiling !== undefined && { ceiling }) }
  return {
    approval,
    writes: [
      putOf(approval, 0),
      ...told({ type: 'approval.waiting', time: now, at, path, about: about as { [key: string]: Json } }),
    ],
  }
}

/** An approval as it is written; `version`: as it was read. */
export const putOf = (approval: Approval, version: number): Put => ({
  table: APPROVALS,
  id: approval.id,
  value: approval as unknown as Json,
  if: version,
  keys: { org: approval.path[0] ?? SITE, by: approval.path.length > 0 ? approval.by.user : SITE },
  until: approval.expires + HISTORY_MS,
})

export type CallApprovals = {
  /** The approval that a call has; throws `approval_waiting` when it needs one and has none yet, `approval_invalid` when it was refused. */
  need: (asks: CallAsk) => Promise<string>
  /** One by its id, which only who asked and who decides know. */
  find: (id: string) => Promise<Approval | undefined>
}

export type CallAsk = {
  caller: Caller
  /** Who says that it needs one, and above how much. */
  needed: { bound: Bound; above: Usd }
  model: string
  /** Digest of the request. */
  digest: string
  ceiling: Usd
  /** The id that the caller sent. */
  approval: string | undefined
}

/** Approvals of calls: bound to the key, to the very request and to its price, each good for one call. */
export const createCallApprovals = (facts: {
  records: Records
  clock: Clock
  /** How long one waits and is good, ms. */
  ttl: () => number
  /** A call stands on it. */
  isUsed: (approval: string) => Promise<boolean>
}): CallApprovals => {
  const { records, clock, ttl, isUsed } = facts

  const found = async (ask: string, named: string | undefined): Promise<Row<Approval> | undefined> => {
    const id = named ?? (await records.get<string>(ASKED, ask))?.value
    const row = id === undefined ? undefined : await records.get<Approval>(APPROVALS, id)
    if (named === undefined) return row
    if (row?.value.kind !== 'call') throw invalid('there is none of this id')
    if (row.value.ask !== ask) throw invalid('it was given to another key or for another request')
    return row
  }

  /** Each asker may let so many wait; wallets that no key has share one line. */
  const room = async (by: string): Promise<void> => {
    const range = { key: ['by', by] as const, limit: MOST_WAITING, backwards: true }
    const rows = await records.list<Approval>(APPROVALS, range)
    const waiting = rows.filter(({ value }) => statusOf(value, clock.now()) === 'waiting')
    if (waiting.length >= MOST_WAITING)
      throw invalid('too many wait already: have them decided, or let them expire')
  }

  const askAnew = async (ask: string, { caller, needed, model, ceiling }: CallAsk): Promise<Approval> => {
    const { bound, above } = needed
    const key = caller.bounds.at(-1)!
    const why = `the call may cost $${printUsd(ceiling)}, above $${printUsd(above)} of the ${bound.level} "${bound.name}"`
    const by = { user: key.id, name: key.name }
    const place = { at: caller.path.length > 0 ? bound.id : SITE, path: caller.path }
    const asked: Asked = { kind: 'call', what: model, why, by, ask, ceiling: printUsd(ceiling), ...place }
    const { approval, writes } = asking(asked, clock.now(), ttl())
    await room(caller.path.length > 0 ? by.user : SITE)
    const before = await records.get<string>(ASKED, ask)
    const put = {
      table: ASKED,
      id: ask,
      value: approval.id,
      if: before?.version ?? 0,
      until: approval.expires,
    }
    if ((await records.write([put, ...writes])).ok) return approval
    // Somebody asked for the same at the same moment: theirs is as good.
    const other = await found(ask, undefined)
    if (!other) throw fail('busy_here')
    return other.value
  }

  return {
    find: async (id) => {
      const row = await records.get<Approval>(APPROVALS, id)
      return row && asUsed(row.value, isUsed)
    },
    need: async (asks) => {
      const key = asks.caller.bounds.at(-1)!.id
      const ask = hash('sha256', `farebox call approval v1\n${key}\n${asks.digest}`, 'hex')
      const row = await found(ask, asks.approval)
      const had = row?.value
      const status = had && statusOf(had, clock.now())
      const enough = had?.ceiling !== undefined && asks.ceiling <= parseUsd(had.ceiling)!
      if (had && status === 'approved' && enough && !(await isUsed(had.id))) return had.id
      if (had && status === 'waiting' && enough) throw waiting(had)
      if (asks.approval !== undefined && had) {
        if (status === 'approved') throw invalid(enough ? 'a call has used it' : 'the call costs more now')
        if (status !== 'waiting') throw invalid(`it is ${status}`)
      }
      if (status === 'refused') throw invalid(`it was refused${had?.note ? `: ${had.note}` : ''}`)
      throw waiting(await askAnew(ask, asks))
    },
  }
}

/** Whether a call stands on an approval. */
export const isUsedIn =
  (ledger: Pick<Ledger, 'callByKey'>) =>
  async (approval: string): Promise<boolean> => {
    const call = await ledger.callByKey(`approval:${approval}`)
    return call !== undefined && stands(call)
  }

/** An approval as it stands: whether a call has used it, the ledger knows. */
export const asUsed = async (
  approval: Approval,
  isUsed: (approval: string) => Promise<boolean>,
): Promise<Approval> =>
  approval.kind === 'call' && approval.status === 'approved' && (await isUsed(approval.id))
    ? { ...approval, status: 'used' }
    : approval

/** Tells who must wait, and for what. */
export const waiting = ({ id, why }: Pick<Approval, 'id' | 'why'>): Refusal =>
  fail('approval_waiting', { approval: id, why })
const invalid = (problem: string): Refusal => fail('approval_invalid', { problem })
