import { type Feature, featuresOf } from '../wire/features.ts'
import type { ForwardBody } from '../wire/openai.ts'
import { UpstreamError } from './provider.ts'

/** Throws `unfit` when a request needs what is not to be had, so that nothing is dropped without a word. */
export const mustFit = (body: ForwardBody, lacks: (feature: Feature) => boolean): void => {
  const missing = featuresOf(body).find(lacks)
  if (missing) throw new UpstreamError('unfit', `no ${missing} there`)
}
