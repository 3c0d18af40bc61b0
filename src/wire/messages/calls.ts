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
    return [{ index, id: str(one['id']), name: str(name), written: str(written) }]
  })

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const str = (value: unknown): string => (typeof value === 'string' ? value : '')
