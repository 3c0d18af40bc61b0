/** What a model of a Messages host can be asked for, by its name there: Anthropic publishes it by version. */
import type { Feature } from '../../wire/features.ts'
import { CLAUDE } from '../../wire/messages/thinking.ts'

export type Effort = 'low' | 'medium' | 'high' | 'xhigh' | 'max'

export type Abilities = {
  claude: boolean
  /** Whose reasoning it takes back. */
  format: string
  /** How it is told to think: by a number of tokens, by an effort, or by either; undefined: it does not. */
  thinks: 'budget' | 'adaptive' | 'either' | undefined
  /** How it is told not to think; undefined where it always thinks, or never. */
  rests: 'disabled' | 'between_tools' | undefined
  /** Efforts it knows, for all that it writes. */
  efforts: readonly Effort[]
  /** Takes `temperature` or `top_p`, not both. */
  oneSampler: boolean
  lacks: ReadonlySet<Feature>
}

/** No model of such a host can be asked for these. */
const NEVER = [
  'custom_tools',
  'functions',
  'json_object',
  'several_choices',
  'seed',
  'hot',
  'penalties',
  'logprobs',
  'logit_bias',
  'metadata',
  'store',
  'names',
] as const satisfies Feature[]

/** Others that speak Messages take its first form, and leave out what is newer or Anthropic's alone. */
const OTHERS = [
  'strict_tools',
  'json_schema',
  'image_url',
  'late_system',
  'top_k',
  'stop',
  'verbosity',
] as const satisfies Feature[]

const other: Abilities = {
  claude: false,
  format: 'anthropic-messages-v1',
  thinks: 'budget',
  rests: 'disabled',
  efforts: [],
  oneSampler: false,
  lacks: new Set([...NEVER, ...OTHERS]),
}

const NEWEST = 9_999

/** What `model` can do; a Claude that we do not know is taken for the newest. */
export const abilitiesOf = (model: string): Abilities => {
  const known = seen.get(model)
  if (known) return known
  const abilities = /claude/i.test(model) ? claude(model) : other
  // As many as are configured.
  seen.set(model, abilities)
  return abilities
}
const seen = new Map<string, Abilities>()

const claude = (model: string): Abilities => {
  const version = versionOf(model)
  const efforts = effortsOf(model, version)
  const thinks =
    version < 307 ? undefined : version < 406 ? 'budget' : version === 406 ? 'either' : 'adaptive'
  const isSonnet = /sonnet/i.test(model)
  const isHaiku = /haiku/i.test(model)
  const isTop = /fable|mythos/i.test(model)
  const latest = version >= 505 && !isHaiku
  const rests = !thinks || isTop || (latest && !isSonnet) ? undefined : latest ? 'between_tools' : 'disabled'
  const lacks = new Set<Feature>(NEVER)
  const without = (when: boolean, ...features: Feature[]): void => {
    if (when) for (const one of features) lacks.add(one)
  }
  without(version >= 407, 'temperature', 'top_p', 'top_k')
  without(version >= 406, 'prefill')
  without(version < 405, 'json_schema', 'strict_tools')
  without(efforts.length === 0, 'verbosity')
  without(!thinks, 'reasoning')
  without(!thinks || thinks === 'adaptive', 'reasoning_budget')
  without(thinks !== undefined && !rests, 'no_reasoning')
  without(!isHaiku && version >= (isTop ? 501 : 505), 'forced_tools')
  without(version < 408 || (isSonnet && version === 500), 'late_system')
  return {
    claude: true,
    format: CLAUDE,
    thinks,
    rests,
    efforts,
    oneSampler: version >= 401,
    lacks,
  }
}

const effortsOf = (model: string, version: number): readonly Effort[] => {
  if (version >= 407) return ['low', 'medium', 'high', 'xhigh', 'max']
  if (version === 406) return ['low', 'medium', 'high', 'max']
  return version === 405 && /opus/i.test(model) ? ['low', 'medium', 'high'] : []
}

/** 405 for claude-opus-4-5-20251101, 307 for claude-3-7-sonnet; dates are no versions. */
const versionOf = (model: string): number => {
  const [, major, minor = '0'] =
    model.match(/claude-(?:[a-z]+-)?(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?/i) ?? []
  return major === undefined ? NEWEST : Number(major) * 100 + Number(minor)
}
