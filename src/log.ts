import { pino } from 'pino'

export type Fields = Record<string, string | number | boolean | undefined>

/** A line of metadata. Only scalars fit, so that no body, key or error object can slip in whole. */
export type Log = {
  info: (event: string, fields?: Fields) => void
  warn: (event: string, fields?: Fields) => void
  error: (event: string, fields?: Fields) => void
}

/** JSON lines on standard output. */
export const jsonLog = (level: string): Log => {
  const out = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime })
  return {
    info: (event, fields) => out.info(fields ?? {}, event),
    warn: (event, fields) => out.warn(fields ?? {}, event),
    error: (event, fields) => out.error(fields ?? {}, event),
  }
}

export const quietLog: Log = { info: () => {}, warn: () => {}, error: () => {} }

/** The message of anything that was thrown, cut short: for a log line, never for an answer. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 300)
