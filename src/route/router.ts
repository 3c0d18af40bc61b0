/** Puts a plan together from all that is known of models and hosts at this moment. */
import type { Catalog } from '../catalog/catalog.ts'
import type { Order } from '../wire/order.ts'
import { AUTO, strategyOf } from './asked.ts'
import type { HostFacts } from './fit.ts'
import type { Judge } from './judge.ts'
import { type Needs, needed } from './needs.ts'
import { type Plan, plan } from './plan.ts'
import type { Prefixes } from './prefixes.ts'
import type { Strategy } from './strategies.ts'

export type Router = {
  /** Who answers an order, and why; refuses when nobody can. */
  route: (order: Order, size: Size, allowed?: Allowed) => Decision
}

/** What the caller's key allows, and the strategy that it has when none is chosen. */
export type Allowed = {
  allows?: ((model: string) => boolean) | undefined
  usual?: Strategy | undefined
}

/** What is known of an order's size: of its input in tokens, of its output the asked cap per choice. */
export type Size = Pick<Needs, 'input' | 'longest' | 'output' | 'choices' | 'writes'>

/** `why`: for people and for the ledger, printable ASCII, and nothing of the prompt. */
export type Decision = Plan & { why: string }

export type RouterFacts = {
  catalog: Catalog
  /** The strategy of who does not choose one. */
  usual: Strategy
  judge: Judge
  hosts: Omit<HostFacts, 'cached'>
  prefixes: Prefixes
  /** Output tokens that an answer of a model has lately had. */
  usualOutput: (model: string) => number
}

export const createRouter = (facts: RouterFacts): Router => ({
  route: (order, size, allowed) => {
    const usual = allowed?.usual ?? facts.usual
    const asked = needed(order)
    const { name } = strategyOf(order.request, usual)
    const judged = name === AUTO ? facts.judge(order, { ...asked, input: size.input }) : undefined
    const expected = order.kind === 'chat' ? facts.usualOutput(name) : 0
    const made = plan({
      order,
      needs: { ...size, ...asked, expected },
      catalog: facts.catalog,
      usual,
      allows: allowed?.allows,
      judged,
      hosts: { ...facts.hosts, cached: facts.prefixes.cached(order, size.input) },
    })
    return { ...made, why: whyOf(made, name === AUTO) }
  },
})

/** Such as `balanced p=0.93 of 41 hosts, 12 out`. */
const whyOf = ({ strategy, rows, able, routes, out }: Plan, auto: boolean): string => {
  const first = rows.find(({ route }) => route === routes[0])
  const words = [
    strategy,
    ...(auto && first ? [`p=${first.quality.toFixed(2)}`] : []),
    `of ${able} ${able === 1 ? 'host' : 'hosts'}`,
    ...(out.length > 0 ? [`${out.length} out`] : []),
  ]
  return words.join(' ')
}
