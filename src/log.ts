import { pino } from 'pino'
import { Refusal } from './errors.ts'

export type Fields = Record<string, string | number | boolean | undefined>

/** A line of metadata. Only scalars fit, so that no body, key or error object can slip in whole. */
export type Log = {
  info: (event: string, fields?: Fields) => void
  warn: (event: string, fields?: Fields) => void
  error: (event: string, fields?: Fields) => void
}

/** JSON lines on standard output; the level is asked for at each of them, since it can change. */
export const jsonLog = (level: () => string): Log => {
  const pinoLog = pino({ level: level(), base: null, timestamp: pino.stdTimeFunctions.isoTime })
  const at = () => {
    const wanted = level()
    if (pinoLog.level !== wanted) pinoLog.level = wanted
    return pinoLog
  }
  return {
    info: (event, fields) => at().info(fields ?? {}, event),
    warn: (event, fields) => at().warn(fields ?? {}, event),
    error: (event, fields) => at().error(fields ?? {}, event),
  }
}

export const quietLog: Log = { info: () => {}, warn: () => {}, error: () => {} }

/** The message of anything that was thrown, cut short, and what a store or chain that is away says: for a log line, never for an answer. */
export const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error).slice(0, 300)
  // Other refusals may quote what a provider said.
  const away = error instanceof Refusal && error.status === 503 ? error.details['why'] : undefined
  const why = away === undefined ? '' : ` (${away})`
  return `${error.name}: ${error.message}${why}`.slice(0, 300)
}
