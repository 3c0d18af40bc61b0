/** What a model of the Gemini API can be asked for, by its name there. */
import type { Feature } from '../../wire/features.ts'

/** Whose reasoning is whose in `reasoning_details`. */
export const GOOGLE = 'google-gemini-v1'

export type Level = 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH'

export type Abilities = {
  /** How it is told to think: by a number of tokens, by a level; undefined: it is not. */
  thinks: 'budget' | 'level' | undefined
  /** Bounds of the number of tokens; `rest`: none at all can be asked for. */
  budget: { least: number; most: number; rest: boolean }
  levels: readonly Level[]
  /** Every call that comes back needs a signature. */
  signs: boolean
  /** Functions and JSON can be asked for together. */
  toolsWithJson: boolean
  lacks: ReadonlySet<Feature>
}

// https://ai.google.dev/api/generate-content: its fields have no word for these; images must be inline.
const NEVER = [
  'parallel_tool_calls',
  'custom_tools',
  'functions',
  'image_url',
  'late_system',
  'prefill',
  'logprobs',
  'logit_bias',
  'verbosity',
  'metadata',
  'store',
  'names',
] as const satisfies Feature[]

const NO_THOUGHTS = ['reasoning', 'reasoning_budget'] as const satisfies Feature[]

const seen = new Map<string, Abilities>()

/** What `model` can do; a Gemini of no known version is taken for the newest. */
export const abilitiesOf = (model: string): Abilities => {
  const known = seen.get(model)
  if (known) return known
  const abilities = read(model)
  // As many as are configured.
  seen.set(model, abilities)
  return abilities
}

// https://ai.google.dev/gemini-api/docs/thinking: levels from 3 on, numbers of tokens for 2.5, nothing before
const read = (model: string): Abilities => {
  const [, major, minor] = /gemini-(\d+)(?:\.(\d+))?/.exec(model) ?? []
  const gemini = /gemini/.test(model)
  const version = major === undefined ? (gemini ? 9_999 : 0) : Number(major) * 100 + Number(minor ?? 0)
  const other = /image|tts|audio|live|embedding/.test(model)
  const thinks = other || version < 205 ? undefined : version < 300 ? 'budget' : 'level'
  const pro = /pro/.test(model)
  const lite = /lite/.test(model)
  const newest = version >= 300
  return {
    thinks,
    budget: { least: pro ? 128 : lite ? 512 : 1, most: pro ? 32_768 : 24_576, rest: !pro },
    levels: pro
      ? version === 300
        ? ['LOW', 'HIGH']
        : ['LOW', 'MEDIUM', 'HIGH']
      : ['MINIMAL', 'LOW', 'MEDIUM', 'HIGH'],
    signs: newest,
    toolsWithJson: newest,
    lacks: new Set<Feature>([
      ...NEVER,
      ...(thinks ? [] : NO_THOUGHTS),
      // https://ai.google.dev/gemini-api/docs/function-calling: media in answers of functions from 3 on
      ...(newest ? [] : (['tool_images'] as const)),
    ]),
  }
}
