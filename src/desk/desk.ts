/**
 * desk/: what operators and organisations can do beside calling models. One table of operations for the API, the
 * dashboard and the command line; each is parsed, allowed, done and written to the audit log here and nowhere else.
 */
import type { z } from 'zod'
import { appended, auditHead } from '../accounts/audit.ts'
import { type Event, told } from '../accounts/events.ts'
import { type Node, type NodeId, pathOf, SITE } from '../accounts/node.ts'
import { type Actor, may, type Permission } from '../accounts/roles.ts'
import { NODES } from '../accounts/tables.ts'
import type { Clock } from '../clock.ts'
import { fail } from '../errors.ts'
import type { Json, Records, Write } from '../store/records.ts'
import { createTurns } from './turns.ts'

/** What an operation may look at. */
export type Scene = {
  actor: Actor
  /** The node it is about; undefined for the site. */
  node: Node | undefined
  path: readonly NodeId[]
  records: Records
  clock: Clock
}

/** What a change does: its writes, what the audit log says of it, and what is told. */
export type Change<R> = {
  result: R
  writes: readonly Write[]
  before?: Json
  after?: Json
  /** The node that the audit log names, where it is another than the one asked about: one that was just made. */
  about?: { id: NodeId; path: readonly NodeId[] }
  events?: readonly Omit<Event, 'id' | 'time'>[]
}

type Common<I> = {
  summary: string
  /** undefined: everybody who is signed in may, for itself. */
  needs: Permission | undefined
  input: z.ZodType<I>
  /** The node it is about; what names another thing is looked up there. Throws `not_here` for what there is not. */
  at: (input: I, actor: Actor, records: Records) => NodeId | Promise<NodeId>
}
export type Reading<I, R> = Common<I> & { kind: 'read'; run: (scene: Scene, input: I) => Promise<R> }
export type Changing<I, R> = Common<I> & {
  kind: 'write'
  run: (scene: Scene, input: I) => Promise<Change<R>>
  /** Why somebody else must approve it first; undefined when nobody must. */
  approval?: (scene: Scene, input: I) => Promise<string | undefined>
}
// An operation's input is known to itself alone.
// biome-ignore lint/suspicious/noExplicitAny: the table holds operations of every input
export type Operation = Reading<any, unknown> | Changing<any, unknown>

export const reading = <I, R>(one: Omit<Reading<I, R>, 'kind'>): Reading<I, R> => ({ kind: 'read', ...one })
export const changing = <I, R>(one: Omit<Changing<I, R>, 'kind'>): Changing<I, R> => ({
  kind: 'write',
  ...one,
})

export type Operations = Readonly<Record<string, Operation>>

export type Desk = {
  operations: Operations
  /** Does one operation by name. Refuses what is unknown, malformed, not allowed, or about something the actor must not know of. `approval`: the id of one that was given for exactly this. */
  run: (actor: Actor, name: string, input: unknown, approval?: string) => Promise<unknown>
}

export type DeskFacts = {
  operations: Operations
  records: Records
  clock: Clock
  /** Checks and uses up an approval for an operation, or asks for one (then it throws `approval_waiting`). */
  approve: (
    scene: Scene,
    ask: { name: string; input: unknown; why: string; approval: string | undefined },
  ) => Promise<Write[]>
}

type Ask = { actor: Actor; approval: string | undefined }

/** The same words for what there is not and for what the actor must not know of. */
const NOTHING = { what: 'such id' }
/** How often a change is tried again that others came before. */
const TRIES = 20

export const createDesk = (facts: DeskFacts): Desk => {
  const { operations, records, clock } = facts
  const turns = createTurns({ clock })

  const sceneOf = async (actor: Actor, needs: Permission | undefined, at: NodeId): Promise<Scene> => {
    const node = at === SITE ? undefined : (await records.get<Node>(NODES, at))?.value
    const path = node ? pathOf(node) : []
    if (at !== SITE && !node) throw fail('not_here', NOTHING)
    const allowed = needs === undefined ? 'yes' : may(actor, needs, path)
    if (allowed === 'hidden')
      throw at === SITE ? fail('forbidden', { needs: needs! }) : fail('not_here', NOTHING)
    if (allowed === 'no') throw fail('forbidden', { needs: needs! })
    return { actor, node, path, records, clock }
  }

  const change = async (one: Changing<unknown, unknown>, name: string, input: unknown, ask: Ask) => {
    for (let tries = 0; tries < TRIES; tries++) {
      const leave = await turns.enter(tries > 0)
      try {
        const done = await tryOnce(one, name, input, ask)
        if (done.ok) return done.result
      } finally {
        leave()
      }
      // Somebody was faster: a little apart, so that two do not meet again and again.
      await clock.sleep(Math.random() * 4 * (tries + 1))
    }
    throw fail('busy_here')
  }

  const tryOnce = async (one: Changing<unknown, unknown>, name: string, input: unknown, ask: Ask) => {
    // Before all that is looked at: what others change from here on makes the write stale.
    const head = await auditHead(records)
    const scene = await sceneOf(ask.actor, one.needs, await one.at(input, ask.actor, records))
    const why = await one.approval?.(scene, input)
    const approved =
      why === undefined ? [] : await facts.approve(scene, { name, input, why, approval: ask.approval })
    const done = await one.run(scene, input)
    const time = clock.now()
    const { user, name: who, via, from } = ask.actor
    const entry = {
      time,
      actor: { user, name: who, via, ...(from !== undefined && { from }) },
      what: name,
      at: done.about?.id ?? scene.node?.id ?? SITE,
      path: done.about?.path ?? scene.path,
      before: done.before ?? null,
      after: done.after ?? null,
    }
    const events = (done.events ?? []).flatMap((event) => told({ ...event, time }))
    const writes = [...done.writes, ...approved, ...appended(head, entry), ...events]
    return { ok: (await records.write(writes)).ok, result: done.result }
  }

  return {
    operations,
    run: async (actor, name, given, approval) => {
      const one = Object.hasOwn(operations, name) ? operations[name] : undefined
      if (!one) throw fail('not_here', { what: name })
      const parsed = one.input.safeParse(given ?? {})
      if (!parsed.success) {
        const [issue] = parsed.error.issues
        const param = issue?.path.join('.') || 'body'
        throw fail('invalid_request', { problem: `${param}: ${issue?.message}`, param })
      }
      // A token, by its name, does not keep its maker waiting.
      const who = `${actor.user} ${actor.via} ${actor.name}`
      if (one.kind === 'write')
        return turns.one(who, () => change(one, name, parsed.data, { actor, approval }))
      return one.run(await sceneOf(actor, one.needs, await one.at(parsed.data, actor, records)), parsed.data)
    },
  }
}
