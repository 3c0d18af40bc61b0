import type { Capability, Model } from '../catalog/catalog.ts'
import { type Feature, featuresOf } from '../wire/features.ts'
import type { Order } from '../wire/order.ts'

/** What a request asks of a model and of a host. `input` is the expected number of input tokens, `output` the asked cap per choice. */
export type Needs = {
  kind: Model['kind']
  input: number
  /** Tokens of what must fit into the context at once, where that is not all of the input: the longest of several texts. */
  longest?: number | undefined
  output: number | undefined
  choices: number
  features: readonly Feature[]
  capabilities: readonly Capability[]
  /** Output tokens that are expected of each choice, where nothing better is known. */
  expected: number
  /** Parts are marked to be written to a prompt cache. */
  writes: boolean
}

const CAPABILITIES: readonly Feature[] = ['tools', 'vision', 'json_schema', 'reasoning']

/** What a request needs beside room: of models by their capabilities, of hosts by what they take. */
export const needed = (order: Order): Pick<Needs, 'kind' | 'features' | 'capabilities'> => {
  const features = order.kind === 'chat' ? featuresOf(order.request) : []
  const capabilities = features.filter(isCapability)
  // The older form of tools.
  if (features.includes('functions') && !capabilities.includes('tools')) capabilities.push('tools')
  return { kind: order.kind, features, capabilities }
}

const isCapability = (feature: Feature): feature is Capability & Feature => CAPABILITIES.includes(feature)
