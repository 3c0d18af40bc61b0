import type { Row } from '../../tools/routing/data.ts'

export type Band = 'easy' | 'medium' | 'hard'
export const BANDS: readonly Band[] = ['easy', 'medium', 'hard']

/** Shares of tasks by difficulty, and where they were published. */
export type Mix = { name: string; source: string; shares: Record<Band, number> }

/**
 * The dataset card of regolo/brick-complexity-extractor (76,831 requests collected to train an LLM router, labelled by a
 * judge model) gives easy 27.5 %, medium 43.2 %, hard 13.5 %; the rest is not told, so these are scaled to 100 %.
 */
export const PUBLISHED: Mix = {
  name: 'published mix',
  source:
    'huggingface.co/datasets/regolo/brick-complexity-extractor, README, read 2026-11-21: easy 27.5 %, medium 43.2 %, hard 13.5 %, scaled to 100 %',
  shares: { easy: 0.275 / 0.842, medium: 0.432 / 0.842, hard: 0.135 / 0.842 },
}

/** What the questions of the training data are when none is preferred: far harder than usual traffic. */
export const asTheyAre = (rows: readonly Row[]): Mix => {
  const share = (band: Band) => rows.filter((row) => bandOf(row) === band).length / rows.length
  return {
    name: 'benchmark mix',
    source: 'the questions of data/routing as they are, most of them from MMLU and MMLU-Pro',
    shares: { easy: share('easy'), medium: share('medium'), hard: share('hard') },
  }
}

const EASY: ReadonlySet<string> = new Set(['commonsense_qa', 'openbook_qa', 'commongen', 'numeracy'])

/**
 * The card's own words, read as kinds of questions: easy is recall and one or two steps (everyday questions, numeracy,
 * school subjects of MMLU), hard is expertise and six steps or more (MMLU-Pro), medium is what lies between (word
 * problems, short programs, the college and professional subjects of MMLU). No model's answers decide.
 */
export const bandOf = ({ ds, dom }: Pick<Row, 'ds' | 'dom'>): Band => {
  if (ds === 'mmlu_pro') return 'hard'
  if (EASY.has(dom)) return 'easy'
  return ds === 'rl_mmlu' && /^(high_school_|elementary_|miscellaneous)/.test(dom) ? 'easy' : 'medium'
}

/** So many rows of each band, drawn without a second time. */
export const sample = (rows: readonly Row[], each: number, random: () => number): Row[] =>
  BANDS.flatMap((band) => {
    const own = rows.filter((row) => bandOf(row) === band)
    for (let i = own.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1))
      ;[own[i], own[j]] = [own[j]!, own[i]!]
    }
    return own.slice(0, each)
  })
