import type { Registry } from 'prom-client'
import type { Family } from './families.ts'

/** The figure of one family for one set of labels. */
export type Cell = {
  /** Adds to a counter, sets a gauge, or takes a histogram's sample. */
  take: (value: number) => void
  /** What it says now, in the words of Prometheus. */
  rows: () => Row[]
}

type Row = { value: number; labels: Record<string, string | number>; metricName?: string }

/** Label sets that one family keeps; later ones are counted together as "other". */
export const MOST_SERIES = 500

/**
 * Keeps the cells of a family and gives them to `registry` when it is read. prom-client writes what it reads, and its own
 * counting is left out: it looks for the cell by all label names anew each time, which costs ten times as much.
 */
export const openFamily = (
  name: string,
  family: Family,
  registry: Registry,
): ((labels: readonly string[]) => Cell) => {
  const cells = new Map<string, Cell>()
  const find = (labels: readonly string[]): Cell => {
    const key = labels.length === 1 ? labels[0]! : labels.join(' ')
    return cells.get(key) ?? open(key, labels)
  }
  const open = (key: string, labels: readonly string[]): Cell => {
    if (cells.size >= MOST_SERIES && labels.some((one) => one !== 'other'))
      return find(labels.map(() => 'other'))
    const named = Object.fromEntries(family.labels.map((label, i) => [label, labels[i] ?? '']))
    const cell =
      family.type === 'histogram' ? histogram(name, named, family.buckets ?? []) : figure(named, family)
    cells.set(key, cell)
    return cell
  }
  const get = async () => {
    // Without labels there is something to say from the start.
    if (family.labels.length === 0) find([])
    const values = [...cells.values()].flatMap((cell) => cell.rows())
    return { name, help: family.help, type: family.type, values, aggregator: 'sum' }
  }
  registry.registerMetric({ name, help: family.help, get } as unknown as Parameters<
    Registry['registerMetric']
  >[0])
  return find
}

const figure = (labels: Record<string, string>, { type }: Family): Cell => {
  let now = 0
  return {
    take: (value) => {
      now = type === 'counter' ? now + value : value
    },
    rows: () => [{ value: now, labels }],
  }
}

const histogram = (name: string, labels: Record<string, string>, buckets: readonly number[]): Cell => {
  const counts = new Array<number>(buckets.length).fill(0)
  let sum = 0
  let count = 0
  return {
    take: (value) => {
      sum += value
      count++
      for (let i = 0; i < buckets.length; i++) {
        if (value > buckets[i]!) continue
        counts[i]!++
        break
      }
    },
    rows: () => {
      let below = 0
      const bounded = buckets.map((le, i) => {
        below += counts[i]!
        return { metricName: `${name}_bucket`, value: below, labels: { ...labels, le } }
      })
      return [
        ...bounded,
        { metricName: `${name}_bucket`, value: count, labels: { ...labels, le: '+Inf' } },
        { metricName: `${name}_sum`, value: sum, labels },
        { metricName: `${name}_count`, value: count, labels },
      ]
    },
  }
}
