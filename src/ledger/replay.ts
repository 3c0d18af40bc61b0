import { createHash } from 'node:crypto'
import { encode } from './codec.ts'
import type { Tell } from './invariants.ts'
import type { JournalEntry, Ledger } from './ledger.ts'
import { isResting } from './memory.ts'
import { decide, idsOf, type Subject } from './moves.ts'
import { type Retold, step, subjectKey } from './retell.ts'

export type Replay = {
  /** Replays the journal from where the last time ended to where it ends now. */
  advance: () => Promise<void>
  /** Notes what the store holds under a key; what the lines read by the next `advance` do not explain either is `unmet`. */
  compare: (key: string, stored: string) => void
  unmet: () => { key: string; stored: string; told: string }[]
  /** Every key that has a value: `subject ID`, `balance ASSET ACCOUNT`, `counter NAME`. */
  keys: () => Iterable<string>
  retold: Retold
}

const PAGE = 1_000

/**
 * Tells the ledger again from its journal, through the judge that wrote it. Calls at rest are kept as fingerprints only,
 * so that memory grows by some hundred bytes a call; one that a reorganisation wakes is told again from the start.
 */
export const createReplay = (ledger: Pick<Ledger, 'journal'>, tell: Tell): Replay => {
  const retold: Retold = {
    tell,
    head: { seq: 0, hash: '' },
    open: new Map(),
    posted: new Map(),
    derived: new Map(),
    takenBack: new Set(),
    reopened: new Set(),
    again: new Set(),
  }
  const resting = new Map<string, string>()
  const differing = new Map<string, string>()

  const told = (key: string): string => {
    if (!key.startsWith('subject ')) return (retold.posted.get(key) ?? 0n).toString()
    const id = key.slice('subject '.length)
    const subject = retold.open.get(id)
    return subject ? fingerprint(subject) : (resting.get(id) ?? 'absent')
  }

  const rest = () => {
    for (const [id, subject] of retold.open) {
      // A channel is woken by moves of others, which do not name it.
      if (subject.is === 'channel' || !isResting(subject)) continue
      retold.open.delete(id)
      retold.reopened.delete(id)
      retold.again.delete(id)
      resting.set(id, fingerprint(subject))
    }
  }

  return {
    retold,
    advance: async () => {
      // A short page is the end as it is now: a busy ledger has none that stays.
      for (let full = true; full; ) {
        const page = await ledger.journal(retold.head.seq, PAGE)
        full = page.length === PAGE
        const woken = page.flatMap((line) => idsOf(line.move)).filter((id) => resting.delete(id))
        for (const [id, one] of await recall(ledger, woken, retold.head.seq)) retold.open.set(id, one)
        for (const line of page) {
          for (const key of step(retold, line)) if (differing.get(key) === told(key)) differing.delete(key)
        }
        rest()
      }
    },
    compare: (key, stored) => {
      if (told(key) !== stored) differing.set(key, stored)
    },
    unmet: () => [...differing].map(([key, stored]) => ({ key, stored, told: told(key) })),
    *keys() {
      yield* retold.posted.keys()
      for (const id of retold.open.keys()) yield subjectKey(id)
      for (const id of resting.keys()) yield subjectKey(id)
    },
  }
}

/** A subject as one short string; equal for equal ones. */
export const fingerprint = (subject: Subject): string =>
  createHash('sha256')
    .update(encode(inOrder(subject)))
    .digest('base64url')
    .slice(0, 22)

/** Some calls and errands as the journal tells them up to line `seq`. */
const recall = async (
  ledger: Pick<Ledger, 'journal'>,
  ids: readonly string[],
  seq: number,
): Promise<Map<string, Subject>> => {
  const wanted = new Set(ids)
  const all = new Map<string, Subject>()
  for (let at = 0; wanted.size > 0 && at < seq; ) {
    const lines: JournalEntry[] = await ledger.journal(at, PAGE)
    for (const { seq: line, move } of lines) {
      if (line > seq) break
      const change = decide(move, (id) => all.get(id))
      if (!change || 'refused' in change) continue
      for (const one of change.put) {
        // Other calls matter only as long as they hold a channel.
        if (one.is === 'call' && isResting(one) && !wanted.has(one.id)) all.delete(one.id)
        else all.set(one.id, one)
      }
    }
    at = lines.at(-1)?.seq ?? seq
  }
  return new Map([...all].filter(([id]) => wanted.has(id)))
}

// A subject that was read back has lost the places of what was undefined, and gets such fields last.
const inOrder = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, inOrder(inner)]))
}
