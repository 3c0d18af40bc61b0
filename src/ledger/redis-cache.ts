import { isResting } from './memory.ts'
import type { Subject } from './moves.ts'
import { parseStored } from './redis-move.ts'

export type Known = { version: string; value: Subject }

/** What this instance last saw of the store. It may be behind: every write is checked against the store itself. */
export type Cache = {
  subject: (id: string) => Known | undefined
  name: (kind: 'c' | 'k', name: string) => string | undefined
  put: (subject: Subject, version: string) => void
  /** Takes over a subject as it is stored; an empty text is none. */
  learn: (id: string, stored: string) => Known | undefined
  named: (kind: 'c' | 'k', name: string, holder: string) => void
  forget: () => void
}

const MOST = 20_000

export const createCache = (): Cache => {
  const subjects = new Map<string, Known>()
  const names = new Map<string, string>()
  const room = (map: Map<string, unknown>) => {
    if (map.size >= MOST) map.clear()
  }
  const keep = (known: Known) => {
    const { id } = known.value
    // What came to rest is seldom asked for again.
    if (known.value.is !== 'channel' && isResting(known.value)) return void subjects.delete(id)
    room(subjects)
    subjects.set(id, known)
  }
  return {
    subject: (id) => subjects.get(id),
    name: (kind, name) => names.get(`${kind}:${name}`),
    put: (value, version) => keep({ version, value }),
    learn: (id, stored) => {
      const known = parseStored(stored)
      subjects.delete(id)
      // Also what rests: the move that was judged without it is judged again at once.
      if (known) {
        room(subjects)
        subjects.set(id, known)
      }
      return known
    },
    named: (kind, name, holder) => {
      room(names)
      if (holder === '') names.delete(`${kind}:${name}`)
      else names.set(`${kind}:${name}`, holder)
    },
    forget: () => {
      subjects.clear()
      names.clear()
    },
  }
}
