import type { ScoreRow } from './rows.ts'

/** A benchmark result: 0 to 1 for shares and indexes, the rating itself for keys that begin with `elo:`. */
export type Score = { value: number; source: string; date?: string }

/**
 * The scores of every model, by benchmark. Only results of one kind may be compared (same metric, version, harness and dataset), so that
 * the kind which most models have goes by the benchmark's plain key and any other by `key#kind`. Of several runs of one kind (efforts,
 * tools) the best is kept.
 */
export const scoresOf = (rows: readonly ScoreRow[]): Map<string, Record<string, Score>> => {
  const main = mainKinds(rows)
  const scores = new Map<string, Record<string, Score>>()
  for (const row of rows) {
    const kind = kindOf(row)
    const plain = main.get(row.key) === kind ? row.key : `${row.key}#${kind || 'plain'}`
    const key = isElo(row) ? `elo:${plain}` : plain
    const own = scores.get(row.canonical) ?? {}
    const score: Score = {
      value: scoreOf(row),
      source: row.source,
      ...(row.date ? { date: row.date } : {}),
    }
    if (!own[key] || own[key].value < score.value) own[key] = score
    scores.set(row.canonical, own)
  }
  return scores
}

const mainKinds = (rows: readonly ScoreRow[]): Map<string, string> => {
  const models = new Map<string, Map<string, Set<string>>>()
  for (const row of rows) {
    const kinds = models.get(row.key) ?? new Map<string, Set<string>>()
    const those = kinds.get(kindOf(row)) ?? new Set()
    kinds.set(kindOf(row), those.add(row.canonical))
    models.set(row.key, kinds)
  }
  return new Map(
    [...models].map(([key, kinds]) => [
      key,
      [...kinds].sort(([a, one], [b, other]) => other.size - one.size || (a < b ? -1 : 1))[0]![0],
    ]),
  )
}

// Names for the same thing: a share of tasks that were solved.
const SHARE = /^(percent.*|resolve.*|success rate|pass@1|average pass@1|accuracy|score|index|pass rate)$/i

const kindOf = ({ metric, version, harness, dataset }: ScoreRow): string =>
  [metric === undefined || SHARE.test(metric) ? '' : metric, version, harness, dataset]
    .filter((one) => one !== undefined && one !== '')
    .join(' ')
    .toLowerCase()
    .replace(/[^a-z0-9.@]+/g, '-')

const isElo = ({ metric }: ScoreRow): boolean => metric?.toLowerCase() === 'elo'

const scoreOf = (row: ScoreRow): number => {
  const value = Number(row.score)
  if (isElo(row)) return value
  return Number((value > 1 ? value / 100 : value).toFixed(6))
}
