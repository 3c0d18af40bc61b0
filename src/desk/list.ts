/** Nodes of one level, wherever below a node they stand. */
import { z } from 'zod'
import { LEVELS, type Node, type NodeId, pathOf, SITE } from '../accounts/node.ts'
import { NODES } from '../accounts/tables.ts'
import type { Records, Row } from '../store/records.ts'
import { reading, type Scene } from './desk.ts'
import { idSchema, type TreeFacts, viewOf } from './tree.ts'

const MOST = 200
const PAGE = 200
/** Nodes that are looked through for those below a team or user; then the rest is asked for with `after`. */
const MOST_SCANNED = 5_000

export const listOperations = ({ spent }: Pick<TreeFacts, 'spent'>) => ({
  'node.list': reading({
    summary: 'All nodes of one level below a node, by id, with the names of what stands above each.',
    needs: 'tree.read',
    input: z.strictObject({
      at: idSchema.default(SITE),
      level: z.enum(LEVELS),
      after: idSchema.optional(),
      limit: z.coerce.number().int().min(1).max(MOST).default(50),
    }),
    at: ({ at }) => at,
    run: async (scene, { level, after, limit }) => {
      const { rows, next } = await found(scene, { level, after, limit })
      const names = await namesOf(
        scene,
        rows.flatMap(({ value }) => value.above),
      )
      const nodes = await Promise.all(
        rows.map(async ({ value }) => ({
          ...(await viewOf(value, spent)),
          under: value.above.map((id) => names.get(id) ?? id),
        })),
      )
      return { nodes, ...(next !== undefined && { after: next }) }
    },
  }),
})

const found = async (
  { records, path }: Scene,
  { level, after, limit }: { level: string; after: string | undefined; limit: number },
): Promise<{ rows: Row<Node>[]; next: string | undefined }> => {
  const own = path.at(-1)
  const key = path[0] === undefined ? {} : { key: ['org', path[0]] as const }
  const rows: Row<Node>[] = []
  let last = after
  for (let scanned = 0, full = true; full && scanned < MOST_SCANNED; ) {
    const range = { prefix: `${level}_`, ...key, limit: PAGE, ...(last !== undefined && { after: last }) }
    const page = await records.list<Node>(NODES, range)
    full = page.length === PAGE
    for (const row of page) {
      if (rows.length === limit) return { rows, next: last }
      last = row.id
      scanned++
      const { deleted, above, id } = row.value
      if (deleted === undefined && (own === undefined || id === own || above.includes(own))) rows.push(row)
    }
    if (!full) return { rows, next: undefined }
  }
  return { rows, next: last }
}

/** The names of nodes, by id. */
export const namesOf = async (
  { records }: Pick<Scene, 'records'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> => {
  const rows = await records.many<Node>(NODES, [...new Set(ids)])
  return new Map(rows.flatMap((row) => (row ? [[row.id, row.value.name] as const] : [])))
}

/** The path of a node; empty for the site, undefined where there is none. */
export const nodePath = async (records: Records, at: NodeId): Promise<readonly NodeId[] | undefined> => {
  if (at === SITE) return []
  const node = (await records.get<Node>(NODES, at))?.value
  return node && pathOf(node)
}
