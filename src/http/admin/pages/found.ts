import type { Level } from '../../../accounts/node.ts'
import type { NodeView } from '../../../desk/tree.ts'
import { type Asked, placeOf, type Scene } from './scene.ts'

/** Nodes of one level, each with the names of what it stands below; `next` where there are more. */
export type Found = { nodes: readonly { node: NodeView; under: string }[]; next: string | undefined }

type Listed = { nodes: readonly (NodeView & { under: readonly string[] })[]; after?: string }

/** A page of the nodes of one level below where the actor looks; `after`: where the page before ended. */
export const found = async (scene: Scene, level: Level, after?: string | null): Promise<Asked<Found>> => {
  const input = { at: placeOf(scene, 'tree.read'), level, ...(after && { after }) }
  const listed = await scene.ask<Listed>('node.list', input)
  if (!listed.ok) return listed
  const { nodes, after: next } = listed.value
  return { ok: true, value: { nodes: nodes.map((node) => ({ node, under: node.under.join(' › ') })), next } }
}
