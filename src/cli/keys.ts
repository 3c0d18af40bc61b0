import type { Budget } from '../accounts/node.ts'
import type { NodeView } from '../desk/tree.ts'
import { parseUsd } from '../money.ts'
import { onWay } from './desk.ts'
import { visible, visibly } from './desk-text.ts'
import type { Way } from './desk-way.ts'
import { childrenOf, type Found, keysBelow, orgsOf, type Place, sole, userAt } from './keys-tree.ts'

type Out = (line: string) => void
export type KeysFacts = { way: () => Promise<Way>; out: Out }

export type NewKey = Place & {
  name: string
  wallet?: string | undefined
  walletSignature?: string | undefined
  bearer: boolean
  /** Such as `day=5` or `month=100,soft,rolling`. */
  budget: readonly string[]
  models?: string | undefined
  maxPerCall?: string | undefined
  approval?: string | undefined
}

/** `farebox keys create`: makes a key and what is missing above it, by name; 0 made, 1 refused. */
export const keysCreate = async ({ way, out: print, ...wish }: KeysFacts & NewKey): Promise<number> => {
  const out = visibly(print)
  const { name, wallet, walletSignature, bearer, models, maxPerCall, approval } = wish
  const budgets = wish.budget.map(budgetOf)
  if (!bearer && wallet === undefined)
    throw new Error('--no-bearer needs --wallet: a key is one of them, or both')
  const rules = {
    ...(models !== undefined && { models: models.split(',').map((one) => one.trim()) }),
    ...(maxPerCall !== undefined && { maxPerCall }),
  }
  return onWay(await way(), out, async (desk) => {
    const user = await userAt(desk, wish, (level, { id, name }) => out(`made the ${level} ${name}  ${id}`))
    const twin = (await childrenOf(desk, user, 'key')).find((one) => one.name === name)
    if (twin) {
      out(`There is a key "${name}" of this user already: ${twin.id}`)
      out(`  farebox keys rotate ${twin.id} gives it a new secret; or choose another --name.`)
      return 1
    }
    const paid = {
      ...(wallet !== undefined && { wallet }),
      ...(walletSignature !== undefined && { walletSignature }),
    }
    const input = { user, name, bearer, ...paid, rules, budgets }
    const { node, secret } = (await desk.run('key.create', input, approval)) as Made
    out(`made the key ${node.name}  ${node.id}`)
    for (const budget of node.budgets) out(`  budget  ${budgetWords(budget)}`)
    tellUse(desk, { node, ...(secret !== undefined && { secret }) }, rules.models?.[0], out)
    return 0
  })
}

type Made = { node: NodeView; secret?: string }

const tellUse = ({ url }: Way, { node, secret }: Made, model: string | undefined, out: Out): void => {
  if (node.key?.wallet) {
    out(`  wallet  ${node.key.wallet}`)
    out('What this wallet pays for is this key’s; nothing more has to be sent.')
  }
  if (secret === undefined) return
  out(`  secret  ${secret}`)
  out(
    'This is shown once. Send it with every call, beside the payment; without one it answers 402 with the price:',
  )
  const body = { model: model?.endsWith('*') ? 'auto' : (model ?? 'auto'), messages: [HELLO] }
  out(`  curl -i ${url}/v1/chat/completions -H 'authorization: Bearer ${secret}' \\`)
  out(`    -H 'content-type: application/json' -d '${JSON.stringify(body)}'`)
}

const HELLO = { role: 'user', content: 'Hello' }

const PERS = ['call', 'hour', 'day', 'month', 'total']

/** A budget as it is typed: `PER=USD`, then `soft`, `rolling` or a time zone. */
export const budgetOf = (text: string): object => {
  const [limit = '', ...more] = text.split(',')
  const [per = '', usd = ''] = limit.split('=')
  if (!PERS.includes(per) || parseUsd(usd) === undefined)
    throw new Error(
      `--budget ${text}: say ${PERS.join('|')}=USD, such as day=5 or month=100,soft,Europe/Berlin`,
    )
  const zone = more.find((one) => one !== 'soft' && one !== 'rolling')
  return {
    per,
    limit: usd,
    ...(more.includes('soft') && { kind: 'soft' }),
    ...(more.includes('rolling') && { window: 'rolling' }),
    ...(zone !== undefined && { zone }),
  }
}

const budgetWords = ({ per, limit, kind, window, zone }: Budget): string => {
  const how = per === 'call' || per === 'total' ? '' : window === 'rolling' ? ', rolling' : `, ${zone}`
  return `$${limit} per ${per}, ${kind}${how}`
}

export type WhichKeys = { org?: string | undefined; orgId?: string | undefined; json: boolean }

/** `farebox keys list`: the keys of all organisations, or of one. */
export const keysList = async ({ way, out, org, orgId, json }: KeysFacts & WhichKeys): Promise<number> =>
  onWay(await way(), out, async (desk) => {
    const all = await orgsOf(desk)
    const one = orgId === undefined && org !== undefined ? sole('org', org, all) : undefined
    const wanted = orgId ?? one?.id
    if (org !== undefined && wanted === undefined) throw new Error(`there is no organisation "${org}"`)
    const found = await keysBelow(
      desk,
      all.filter(({ id }) => wanted === undefined || id === wanted),
    )
    if (json)
      out(
        visible(
          JSON.stringify(found.map(({ key, above }) => ({ ...key, in: above.map(({ name }) => name) }))),
        ),
      )
    else if (found.length === 0) out('No keys; `farebox keys create` makes one.')
    else for (const line of table(found.map((one) => rowOf(one).map(visible)))) out(line)
    return 0
  })

const rowOf = ({ key, above }: Found): string[] => [
  key.id,
  [...above, key].map(({ name }) => name).join(' › '),
  [key.key?.prefix, key.key?.wallet].filter(Boolean).join(' '),
  stateOf({ key, above }),
  key.spent
    .map(({ budget, used, limit }) => {
      const per = key.budgets.find(({ id }) => id === budget)?.per
      return `$${used} of $${limit} per ${per}`
    })
    .join('; '),
]

const stateOf = ({ key, above }: Found): string => {
  if (key.frozen) return 'frozen'
  const by = above.find(({ frozen }) => frozen)
  return by ? `frozen by ${by.level} ${by.name}` : 'active'
}

const table = (rows: readonly (readonly string[])[]): string[] => {
  const all = [['id', 'key', 'known by', 'state', 'spent'], ...rows]
  const widths = all[0]!.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  return all.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** `farebox keys freeze` and `unfreeze`: stops a key, or all keys below a user, team or organisation. */
export const keysFreeze = async ({
  way,
  out,
  id,
  frozen,
}: KeysFacts & { id: string; frozen: boolean }): Promise<number> =>
  onWay(await way(), out, async ({ run }) => {
    const { node } = (await run('node.freeze', { id, frozen })) as Made
    const name = visible(node.name)
    out(frozen ? `${name} is frozen, everywhere within a second.` : `${name} goes on.`)
    return 0
  })

/** `farebox keys rotate`: a new secret; the old one ends at once. */
export const keysRotate = async ({ way, out, id }: KeysFacts & { id: string }): Promise<number> =>
  onWay(await way(), out, async (desk) => {
    const { node, secret } = (await desk.run('key.rotate', { id })) as Made
    out(`${visible(node.name)} has a new secret; the old one is not taken any more.`)
    out(`  secret  ${secret}`)
    out('This is shown once.')
    return 0
  })
