/** The baseline: fifteen weighted keyword dimensions in the manner of published keyword routers, our own implementation. */

export type Verdict = { score: number; tier: 'simple' | 'medium' | 'complex' | 'reasoning' }

type Dimension = { weight: number; words: readonly string[]; some: number; many: number }

const words = (text: string): string[] => text.split(' ').map((word) => word.replaceAll('_', ' '))

/** A dimension is worth `some` from the first hit and `many` from the third. */
const DIMENSIONS: Record<string, Dimension> = {
  reasoning: {
    weight: 0.18,
    words: words(
      'prove proof theorem derive step_by_step chain_of_thought formally mathematical logically deduce 证明 推导 доказать beweisen demostrar',
    ),
    some: 0.7,
    many: 1,
  },
  code: {
    weight: 0.15,
    words: words(
      'function class import def select async await const let var return ``` python javascript typescript assert 函数 функция',
    ),
    some: 0.5,
    many: 1,
  },
  technical: {
    weight: 0.1,
    words: words(
      'algorithm optimize architecture distributed kubernetes microservice database infrastructure protocol latency encryption',
    ),
    some: 0.5,
    many: 1,
  },
  creative: {
    weight: 0.05,
    words: words('story poem compose brainstorm creative imagine write_a'),
    some: 0.5,
    many: 0.7,
  },
  agentic: {
    weight: 0.04,
    words: words(
      'read_file edit deploy install run_the debug fix execute iterate until_it_works verify check_the',
    ),
    some: 0.4,
    many: 1,
  },
  constraints: {
    weight: 0.04,
    words: words('at_most at_least within no_more_than maximum minimum limit budget o( must'),
    some: 0.3,
    many: 0.7,
  },
  imperative: {
    weight: 0.03,
    words: words('build create implement design develop construct generate configure'),
    some: 0.3,
    many: 0.5,
  },
  format: {
    weight: 0.03,
    words: words('json yaml xml table csv markdown schema format_as structured'),
    some: 0.4,
    many: 0.7,
  },
  simple: {
    weight: 0.02,
    words: words('what_is define translate hello yes_or_no capital_of how_old who_is when_was'),
    some: -1,
    many: -1,
  },
  reference: {
    weight: 0.02,
    words: words('above below previous following the_code the_docs attached earlier'),
    some: 0.3,
    many: 0.5,
  },
  domain: {
    weight: 0.02,
    words: words(
      'quantum genomics proteomics topology homomorphic zero-knowledge fpga vlsi lattice photonics',
    ),
    some: 0.5,
    many: 0.8,
  },
  negation: {
    weight: 0.01,
    words: words("don't do_not avoid never without except exclude"),
    some: 0.3,
    many: 0.5,
  },
}

const HALF = 250

export const keywordVerdict = (prompt: string): Verdict => {
  const cut = prompt.length > 2 * HALF ? `${prompt.slice(0, HALF)} ${prompt.slice(-HALF)}` : prompt
  const text = cut.toLowerCase()
  let score = 0
  let reasoning = 0
  for (const [name, { weight, words: list, some, many }] of Object.entries(DIMENSIONS)) {
    let hits = 0
    for (const word of list) if (text.includes(word)) hits++
    if (name === 'reasoning') reasoning = hits
    score += weight * (hits >= 3 ? many : hits > 0 ? some : 0)
  }
  const tokens = prompt.length / 4
  score += 0.08 * (tokens < 50 ? -1 : tokens > 500 ? 1 : 0)
  score += 0.12 * (hasSteps(text) ? 0.5 : 0)
  score += 0.05 * (text.split('?').length - 1 > 3 ? 0.5 : 0)
  return { score: score + (reasoning >= 2 ? 0.5 : 0), tier: tierOf(score, reasoning) }
}

const hasSteps = (text: string): boolean =>
  (text.includes('first') && text.includes('then')) || text.includes('step 1') || text.includes('1.')

const tierOf = (score: number, reasoning: number): Verdict['tier'] => {
  if (reasoning >= 2) return 'reasoning'
  const bounds = [0, 0.3, 0.5]
  const nearest = Math.min(...bounds.map((bound) => Math.abs(score - bound)))
  if (1 / (1 + Math.exp(-12 * nearest)) < 0.7) return 'medium'
  if (score < 0) return 'simple'
  return score < 0.3 ? 'medium' : score < 0.5 ? 'complex' : 'reasoning'
}
