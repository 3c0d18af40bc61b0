import type { Level } from '../../../accounts/node.ts'
import { SITE } from '../../../accounts/node.ts'
import type { NodeView } from '../../../desk/tree.ts'
import { type Asked, placeOf, type Scene } from './scene.ts'
import type { Listed } from './tree.ts'

/** What a walk found, with the name of what each stands below; `whole` is false when it stopped before the end. */
export type Found = { nodes: readonly { node: NodeView; under: string }[]; whole: boolean }

const MOST_FOUND = 50
const MOST_ASKED = 60

const DEPTH: Readonly<Record<Level, number>> = { org: 0, team: 1, user: 2, key: 3 }

/** The first nodes of one level below where the actor looks, found from above; asks the desk a bounded number of times. */
export const walk = async (scene: Scene, level: Level): Promise<Asked<Found>> => {
  const nodes: { node: NodeView; under: string }[] = []
  const line: { id: string; name: string }[] = [{ id: placeOf(scene, 'tree.read'), name: '' }]
  for (let asked = 0; line.length > 0; asked++) {
    if (asked === MOST_ASKED || nodes.length >= MOST_FOUND)
      return { ok: true, value: { nodes, whole: false } }
    const at = line.shift()!
    const listed = await scene.ask<Listed>('tree.list', { under: at.id })
    if (!listed.ok) {
      if (at.id === SITE || asked === 0) return listed
      continue
    }
    const inner: typeof line = []
    for (const node of listed.value.nodes) {
      const name = at.name === '' ? node.name : `${at.name} › ${node.name}`
      if (node.level === level) nodes.push({ node, under: at.name })
      if (DEPTH[node.level] < DEPTH[level]) inner.push({ id: node.id, name })
    }
    // Down first, so that a list begins with what stands together.
    line.unshift(...inner)
  }
  return { ok: true, value: { nodes, whole: true } }
}
