import { SITE } from '../../../accounts/node.ts'
import { type Actor, GRANTS, may, type Permission } from '../../../accounts/roles.ts'
import type { Desk } from '../../../desk/desk.ts'
import { errorBody, Refusal } from '../../../errors.ts'

/** What the desk said: `missing`: this router has no such operation; `forbidden`: not for this actor. */
export type Asked<T> =
  | { ok: true; value: T }
  | { ok: false; why: 'missing' | 'forbidden' | 'refused'; text: string }

/** A line at the top of the next page. */
export type Flash = { kind: 'good' | 'bad'; text: string }

/** A form that was sent and not done: why, and what stood in its fields. */
export type RefusedForm = {
  form: string
  text: string
  values: ReadonlyMap<string, string>
  approval?: string
}

/** What a page knows of who looks at it and of what is asked. */
export type Scene = {
  actor: Actor
  csrf: string
  /** Path and query, as the browser shows them. */
  path: string
  query: URLSearchParams
  params: Readonly<Record<string, string>>
  /** ms. */
  now: number
  ask: <T>(operation: string, input?: unknown) => Promise<Asked<T>>
  flash?: Flash | undefined
  refused?: RefusedForm | undefined
}

/** Asks the desk as an actor; refusals are answers, everything else that is thrown goes on. */
export const asking =
  (desk: Pick<Desk, 'run'>, actor: Actor): Scene['ask'] =>
  async <T>(operation: string, input: unknown = {}) => {
    try {
      return { ok: true, value: (await desk.run(actor, operation, input)) as T }
    } catch (error) {
      return refusalOf(error, operation)
    }
  }

/** A refusal in words for people; throws what is none. */
export const refusalOf = (error: unknown, operation: string): Exclude<Asked<never>, { ok: true }> => {
  if (!(error instanceof Refusal)) throw error
  const code: string = error.code
  const { message, hint } = errorBody(error.code, error.details).error
  const why =
    code === 'not_here' && error.details['what'] === operation
      ? 'missing'
      : code === 'forbidden'
        ? 'forbidden'
        : 'refused'
  if (code === 'approval_waiting') return { ok: false, why, text: WAITS }
  return { ok: false, why, text: hint ? `${message} ${hint}` : message }
}

const WAITS =
  'It needs the yes of a second person, who finds it under Approvals now. When it is approved, send this form again as it is.'

/** Whether an actor may do something at one node of this path at least. */
export const allowed = (actor: Actor, permission: Permission, path: readonly string[] = []): boolean =>
  may(actor, permission, path) === 'yes'

/** Whether there is any node at which it may. */
export const allowedSomewhere = (actor: Actor, permission: Permission): boolean =>
  actor.grants.some(({ role }) => GRANTS[role].includes(permission))

/** The highest node at which an actor may do something: the site, or the first it has a role for; undefined where there is none. */
const homeOf = (actor: Actor, permission: Permission): string | undefined => {
  const grants = actor.grants.filter(({ role }) => GRANTS[role].includes(permission))
  return (grants.find(({ at }) => at === SITE) ?? grants[0])?.at
}

/** The node asked for in the query, else the highest that may be seen. */
export const placeOf = (scene: Scene, permission: Permission): string =>
  scene.query.get('at') || homeOf(scene.actor, permission) || SITE

/** The same page with other values in its query; undefined or empty takes one out. */
export const linkWith = (
  scene: Pick<Scene, 'path' | 'query'>,
  change: Readonly<Record<string, string | undefined>>,
): string => {
  const query = new URLSearchParams(scene.query)
  for (const [name, value] of Object.entries(change)) {
    if (value) query.set(name, value)
    else query.delete(name)
  }
  const text = query.toString()
  const [bare] = scene.path.split('?')
  return text ? `${bare}?${text}` : bare!
}
