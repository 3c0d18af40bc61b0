import type { Feature } from '../wire/features.ts'
import type { Hint, Quirks } from './quirks.ts'

// https://developers.openai.com/api/docs/guides/reasoning and the notes of each field in the reference: o3 and o4-mini
// take no `stop`, reasoning models take no sampling parameters, those from gpt-5.1 on take them with an effort of `none`.
const FAMILY = /^(?:o(?<o>\d)|(?:gpt-|chatgpt-)(?<gpt>\d+)(?:\.(?<minor>\d+))?o?(?<rest>.*)|codex-mini)/

type Kind = 'unknown' | 'plain' | 'reasons' | 'reasons-if-told'

const kindOf = (model: string): Kind => {
  const groups = FAMILY.exec(model)?.groups
  if (!groups) return 'unknown'
  if (groups['gpt'] === undefined) return 'reasons'
  const major = Number(groups['gpt'])
  const plain = major < 5 || (groups['minor'] === undefined && groups['rest']!.startsWith('-chat'))
  if (plain) return 'plain'
  return major === 5 && Number(groups['minor'] ?? 0) >= 1 ? 'reasons-if-told' : 'reasons'
}

const SAMPLING: readonly Feature[] = ['temperature', 'hot', 'top_p', 'logprobs']
const NEVER: readonly Feature[] = ['penalties', 'logit_bias']

/** OpenAI's own server. */
export const OPENAI: Quirks = {
  lacks: ['top_k', 'prefill', 'reasoning_budget', 'tool_images'],
  lacksWith: (model) => {
    const kind = kindOf(model)
    if (kind === 'unknown') return []
    if (kind === 'plain') return ['reasoning']
    const stop: readonly Feature[] = /^(o3|o4-mini)/.test(model) ? ['stop'] : []
    return kind === 'reasons' ? [...SAMPLING, ...NEVER, ...stop] : NEVER
  },
  unlessIdle: (model) => (kindOf(model) === 'reasons-if-told' ? SAMPLING : []),
  // https://developers.openai.com/api/reference/resources/chat: max_tokens is not compatible with o-series models.
  cap: 'max_completion_tokens',
  drops: ['cache_control'],
  mostVerbose: 'high',
  earlier: 'nowhere',
  reasoning: () => ({ efforts: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] }),
}

/** What is in no list of parameters of those who copy OpenAI, but for the few whose rows say otherwise. */
export const UNCOMMON: readonly Feature[] = [
  'custom_tools',
  'verbosity',
  'store',
  'reasoning_budget',
  'tool_images',
]

const HINTS: readonly Hint[] = [
  'cache_control',
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'service_tier',
  'modalities',
  'include_obfuscation',
]

/** Every hint but these. */
export const allBut = (...kept: Hint[]): readonly Hint[] => HINTS.filter((hint) => !kept.includes(hint))
