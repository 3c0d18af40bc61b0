import { type Event, OUTBOX } from '../accounts/events.ts'
import { type NodeId, SITE } from '../accounts/node.ts'
import type { Clock } from '../clock.ts'
import type { Records, Row } from '../store/records.ts'
import { deliveryWrites, newDelivery } from './delivery.ts'
import { type Hook, hooksAt, wants } from './hook.ts'

const PAGE = 50

/**
 * Takes events out of the outbox, oldest first, each in one write with a delivery for every hook that wants it: those of
 * its node, of all above it, and of the site. Returns how many were taken; whoever comes second takes none of them.
 */
export const fanOut = async ({ records, clock }: { records: Records; clock: Clock }): Promise<number> => {
  const rows = await records.list<Event>(OUTBOX, { limit: PAGE })
  const known = new Map<NodeId, Promise<Hook[]>>()
  const hooksOf = (at: NodeId) => known.get(at) ?? known.set(at, hooksAt(records, at)).get(at)!
  let taken = 0
  for (const row of rows) if (await hand(row, { records, clock, hooksOf })) taken++
  return taken
}

type Facts = { records: Records; clock: Clock; hooksOf: (at: NodeId) => Promise<Hook[]> }

const hand = async ({ id, value: event, version }: Row<Event>, facts: Facts): Promise<boolean> => {
  const nodes = [...new Set([SITE, ...event.path])]
  const hooks = (await Promise.all(nodes.map(facts.hooksOf))).flat().filter((hook) => wants(hook, event.type))
  const now = facts.clock.now()
  const written = await facts.records.write([
    { table: OUTBOX, id, drop: true, if: version },
    ...hooks.flatMap((hook) => deliveryWrites(undefined, newDelivery(event, hook, now))),
  ])
  return written.ok
}
