/** One line of an exposition. */
export type Sample = { name: string; labels: Record<string, string>; value: number }

// prom-client writes Nan, and Prometheus reads it in any case.
const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (Na[Nn]|[+-]?Inf|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y

/** Reads the text format of Prometheus; throws at the first line that is not in it, and at a row that is there twice. */
export const samplesOf = (text: string): Sample[] => {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const typed = new Set<string>()
  const seen = new Set<string>()
  return text.split('\n').flatMap((line) => {
    if (line === '' || line.startsWith('# HELP ')) return []
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line)
    if (type) {
      if (typed.has(type[1]!)) throw new Error(`typed twice: ${line}`)
      typed.add(type[1]!)
      return []
    }
    const [, name = '', inner = '', value = ''] = LINE.exec(line) ?? []
    if (name === '' || !typed.has(familyOf(name, typed))) throw new Error(`not a sample: ${line}`)
    const labels = labelsOf(inner, line)
    const key = `${name} ${JSON.stringify(Object.entries(labels).toSorted())}`
    if (seen.has(key)) throw new Error(`there twice: ${line}`)
    seen.add(key)
    return [{ name, labels, value: Number(value.replace('Inf', 'Infinity')) }]
  })
}

/** The sum of all samples of a name that have these labels; undefined when there is none. */
export const sumOf = (
  samples: readonly Sample[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined => {
  const found = samples.filter(
    (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
  )
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
}

const familyOf = (name: string, typed: ReadonlySet<string>): string =>
  typed.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')

const labelsOf = (inner: string, line: string): Record<string, string> => {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < inner.length) {
    const found = LABEL.exec(inner)
    if (!found) throw new Error(`not labels: ${line}`)
    labels[found[1]!] = found[2]!
  }
  return labels
}
