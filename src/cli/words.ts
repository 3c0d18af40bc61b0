import { ConfigError } from '../config.ts'
import { errorBody, Refusal } from '../errors.ts'

/** What stopped a command, for the person who typed it. */
export const wordsFor = (error: unknown): string => {
  if (error instanceof ConfigError) return error.message
  if (!(error instanceof Refusal)) return `farebox: ${error instanceof Error ? error.message : String(error)}`
  const why = error.details['why']
  // The table speaks to callers of the API; here nobody has paid anything.
  const said =
    error.code === 'chain_unavailable'
      ? 'the chain cannot be reached; check chains[].rpc'
      : errorBody(error.code, error.details).error.message
  return `farebox: ${said}${why === undefined ? '' : ` (${why})`}`
}
