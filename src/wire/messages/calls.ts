import type { About } from '../door.ts'

/** A call of a tool, or a piece of one, as hosts write it. */
export type Called = {
  /** Which of the calls it belongs to, where that is told. */
  index: number | undefined
  id: string
  name: string
  written: string
}

/** The calls in a list that may hold anything; calls of custom tools are none of ours. */
export const callsIn = (value: unknown): Called[] =>
  (Array.isArray(value) ? value : []).flatMap((one: unknown): Called[] => {
    if (!isObject(one) || !isObject(one['function'])) return []
    const { name, arguments: written } = one['function']
    const index = typeof one['index'] === 'number' ? one['index'] : undefined
    // Some hosts give an object where its JSON belongs.
    return [
      {
        index,
        id: str(one['id']),
        name: str(name),
        written: isObject(written) ? JSON.stringify(written) : str(written),
      },
    ]
  })

/** The id that a call is answered by: its own, or one of ours where it has none or not one of its own. Notes it in `taken`. */
export const callId = ({ id: of }: Pick<About, 'id'>, id: string, taken: Set<string>): string => {
  const own = id !== '' && !taken.has(id) ? id : `toolu_${of.replace(/^call_/, '')}_${taken.size}`
  taken.add(own)
  return own
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const str = (value: unknown): string => (typeof value === 'string' ? value : '')
