import type { ForwardBody } from '../wire/openai.ts'
import { UpstreamError } from './provider.ts'
import type { Effort, Reasoning } from './quirks.ts'

const LADDER: readonly Effort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']

/** The effort that is asked for; undefined: the model's own. To reason, no more said, is a medium one. */
export const effortOf = ({ reasoning, reasoning_effort }: ForwardBody): Effort | undefined => {
  const told = reasoning?.effort ?? reasoning_effort ?? undefined
  if (told !== undefined || reasoning?.enabled === undefined) return told
  return reasoning.enabled ? 'medium' : 'none'
}

/**
 * The fields that ask a model to reason as the caller wants, in the words of its host. Throws `unfit` where it has none for
 * not to reason at all; a degree of it that it does not know becomes the nearest that it does.
 */
export const askToReason = (body: ForwardBody, how: Reasoning): Record<string, unknown> => {
  const effort = effortOf(body)
  const tokens = body.reasoning?.max_tokens
  if (how.object) {
    const told = body.reasoning?.effort ?? body.reasoning_effort ?? undefined
    const reasoning = { ...body.reasoning, ...(told !== undefined && { effort: told }) }
    return Object.keys(reasoning).length > 0 ? { reasoning } : {}
  }
  const budget = tokens !== undefined && effort !== 'none' ? how.budget?.(tokens) : undefined
  if (budget) return budget
  if (effort === undefined) return {}
  if (effort === 'none') return how.off ?? { reasoning_effort: idle(how) }
  const nearest = nearestOf(effort, how.efforts ?? [])
  return { ...how.on, ...(nearest && { reasoning_effort: nearest }) }
}

const idle = ({ efforts }: Reasoning): Effort => {
  if (efforts?.includes('none')) return 'none'
  throw new UpstreamError('unfit', 'reasons always')
}

/** Of two that are as near the higher. */
const nearestOf = (wanted: Effort, efforts: readonly Effort[]): Effort | undefined => {
  const at = LADDER.indexOf(wanted)
  let nearest: Effort | undefined
  let distance = Infinity
  for (const effort of efforts) {
    const away = Math.abs(LADDER.indexOf(effort) - at)
    if (effort !== 'none' && away <= distance) [nearest, distance] = [effort, away]
  }
  return nearest
}
