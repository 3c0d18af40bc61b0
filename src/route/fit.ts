/** Whether a host can do all of a request. Nothing that was asked is ever dropped: who cannot do it is not asked. Pure. */
import { type Capability, type Host, type Model, ratesFor } from '../catalog/catalog.ts'
import { fail, type Refusal } from '../errors.ts'
import { parseRate, type Rate } from '../money.ts'
import type { Feature } from '../wire/features.ts'
import type { Steered } from './asked.ts'
import type { Needs } from './needs.ts'

/** What is known of hosts at this moment. */
export type HostFacts = {
  lacks: (provider: string, hostModel: string) => ReadonlySet<Feature>
  /** It rests after failures: it is tried last, not left out. */
  resting: (provider: string, hostModel: string) => boolean
  /** Share of its calls that fail lately, 0 to 1. */
  failing: (provider: string, hostModel: string) => number
  /** How long an answer of so many tokens takes there, ms; undefined while unknown. */
  expectMs: (provider: string, hostModel: string, output: number) => number | undefined
  /** Input tokens of this request that its prompt cache is expected to hold. */
  cached: (provider: string, hostModel: string) => number
}

/** A host that was left out. `limit`: the most that it takes of what was too much. */
export type Lacking = { model: string; provider: string; why: Why }
export type Why =
  | { is: 'kind' }
  | { is: 'context' | 'output'; limit: number }
  | { is: 'capability'; lacks: Capability | Feature }
  | { is: 'provider' }
  | { is: 'latency'; ms: number }

/** Why a host is left out; undefined when it can do all that is asked. */
export const lacking = (
  request: Steered,
  needs: Needs,
  model: Model,
  host: Host,
  hosts: HostFacts,
): Why | undefined => {
  const { longest: read = needs.input, output = needs.kind === 'chat' ? 1 : 0 } = needs
  const context = host.context ?? model.context
  const longest = host.maxOutput ?? model.maxOutput
  const can = host.capabilities ?? model.capabilities
  if (model.kind !== needs.kind) return { is: 'kind' }
  if (output > longest) return { is: 'output', limit: longest }
  if (read + output > context) return { is: 'context', limit: context }
  const missing = can && needs.capabilities.find((one) => !can.has(one))
  if (missing) return { is: 'capability', lacks: missing }
  if (can?.has('no_temperature') && needs.features.includes('temperature'))
    return { is: 'capability', lacks: 'temperature' }
  if (needs.features.length > 0) {
    const lacks = hosts.lacks(host.provider, host.model)
    const feature = lacks.size > 0 && needs.features.find((one) => lacks.has(one))
    if (feature) return { is: 'capability', lacks: feature }
  }
  if (!isAllowed(host, request, needs.input)) return { is: 'provider' }
  if (request.max_latency_ms === undefined) return undefined
  const ms = hosts.expectMs(host.provider, host.model, Math.min(needs.expected, output || needs.expected))
  return ms !== undefined && ms > request.max_latency_ms ? { is: 'latency', ms } : undefined
}

const isAllowed = ({ provider: id, prices }: Host, { provider }: Steered, input: number): boolean => {
  if (!provider) return true
  if (provider.only && !provider.only.includes(id)) return false
  if (provider.ignore?.includes(id)) return false
  if (!provider.max_price) return true
  const rates = ratesFor(input, prices)
  return (
    isWithin(rates.input, provider.max_price.prompt) && isWithin(rates.output, provider.max_price.completion)
  )
}

const isWithin = (rate: Rate, max: string | number | undefined): boolean => {
  if (max === undefined) return true
  const limit = parseRate(String(max))
  if (limit !== undefined) return rate <= limit
  const problem = 'provider.max_price must be dollars per million tokens.'
  throw fail('invalid_request', { problem, param: 'provider.max_price' })
}

/** The refusal of a request that no host can do: what the most of them lack decides what is said. */
export const tooMuch = (out: readonly Lacking[], needs: Needs, { model }: Steered): Refusal => {
  const whys = out.map(({ why }) => why).filter((why) => why.is !== 'kind')
  const lacks = whys.find((why) => why.is === 'capability')
  if (lacks && whys.every((why) => why.is === 'capability')) {
    const problem = `No allowed model supports ${lacks.lacks}.`
    return fail('unsupported_parameter', { problem, param: 'model' })
  }
  if (whys.some((why) => why.is === 'provider')) {
    const problem = 'The provider preferences leave no host for this model.'
    return fail('unsupported_parameter', { problem, param: 'provider' })
  }
  if (whys.some((why) => why.is === 'latency')) {
    const fastest = Math.min(...whys.filter((why) => why.is === 'latency').map(({ ms }) => Math.ceil(ms)))
    const problem = `max_latency_ms is below ${fastest}, what the fastest host needs for this.`
    return fail('unsupported_parameter', { problem, param: 'max_latency_ms' })
  }
  const limits = (is: 'context' | 'output') => whys.flatMap((why) => (why.is === is ? [why.limit] : []))
  const longest = limits('output')
  if (longest.length > 0 && limits('context').length === 0) {
    const problem = `max_tokens is above ${Math.max(...longest)}, the most this model writes.`
    return fail('unsupported_parameter', { problem, param: 'max_tokens' })
  }
  if (whys.length === 0) {
    const made = needs.kind === 'chat' ? 'answers' : 'embeddings'
    return fail('unsupported_parameter', { problem: `${model} makes no ${made}.`, param: 'model' })
  }
  return fail('context_length_exceeded', {
    tokens: needs.longest ?? needs.input,
    output: needs.output ?? 1,
    limit: Math.max(...limits('context')),
    param: 'messages',
  })
}
