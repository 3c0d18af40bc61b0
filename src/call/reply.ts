import type { Code } from '../errors.ts'

/** What goes back over HTTP: a whole body, or pieces as they come. Header values are ASCII by construction. */
export type Reply = {
  status: number
  headers: Record<string, string>
  body: string | AsyncGenerator<string>
  /** Why it is no answer, for those who count; the body says it too. */
  code?: Code
  /** Called when the caller went away before the system had taken all of a whole body. */
  lost?: () => void
}

export const JSON_TYPE = 'application/json; charset=utf-8'
export const NO_STORE = 'no-store, private'
