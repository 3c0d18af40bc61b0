import { type Evidence, genaiEvidence, modelsDevEvidence, portkeyEvidence, priceOn } from './evidence.ts'
import type { AgreementRow, DistrustRow, GenaiRow, PortkeyRow, Rows } from './rows.ts'

export type Witnesses = {
  /** What the trusted sources say about one endpoint. */
  of: (provider: string, id: string) => Evidence[]
}

/** Finds the word of every source on an endpoint, without those that are known to be wrong. */
export const createWitnesses = (rows: Rows): Witnesses => {
  const key = (...parts: string[]) => parts.join(' ')
  const modelsDev = new Map(rows.modelsDev.map((row) => [key(row.provider, row.id), row]))
  const late = new Map(rows.late.filter((row) => row.price).map((row) => [key(row.provider, row.id), row]))
  const genai = new Map(rows.genai.map((row) => [key(row.key_provider, plainId(row.id)), row]))
  const portkey = new Map(rows.portkey.map((row) => [key(row.key_provider, plainId(row.id)), row]))
  const agreement = new Map(rows.agreement.map((row) => [key(row.provider, row.id), row]))
  const isDistrusted = distrust(rows.distrust)

  const genaiOf = (provider: string, id: string, row: AgreementRow | undefined) =>
    genai.get(key(provider, plainId(row?.sources['gp']?.id ?? id)))
  const portkeyOf = (provider: string, id: string, row: AgreementRow | undefined) =>
    portkey.get(key(provider, plainId(row?.sources['pk']?.id ?? id))) ??
    portkey.get(key(provider, `${plainId(id)}-lte-128k`))

  return {
    of: (provider, id) => {
      const found: Evidence[] = []
      const matched = agreement.get(key(provider, id))
      const own = modelsDev.get(key(provider, id))
      const copy = late.get(key(provider, id))
      if (own && !own.zero_priced && !isDistrusted('models-dev', provider, id)) {
        found.push(modelsDevEvidence(own, false))
      } else if (copy) found.push(modelsDevEvidence(copy, true))
      const gp = genaiOf(provider, id, matched)
      // A pattern that catches too much is known by the price it then gets wrong.
      const loose = matched?.sources['gp']?.by === 'pattern'
      if (gp?.prices.some(isDated) && !isDistrusted('genai-prices', gp.provider, gp.id)) {
        found.push(genaiEvidence(gp, loose))
      }
      const pk = portkeyOf(provider, id, matched)
      if (pk && !pk.zero_priced && !isDistrusted('portkey', pk.provider, pk.id)) {
        found.push(portkeyEvidence(pk, upperOf(pk, portkey)))
      }
      return found.filter((one) => priceOn(one, '9999').parts.input !== undefined)
    },
  }
}

const isDated = ({ usd, daily_utc }: GenaiRow['prices'][number]): boolean =>
  usd !== null && daily_utc === undefined

const upperOf = (row: PortkeyRow, all: ReadonlyMap<string, PortkeyRow>): PortkeyRow | undefined =>
  row.context_bucket?.startsWith('lte-')
    ? all.get(`${row.key_provider} ${plainId(`${row.id_base}`)}-${row.context_bucket.replace('lte-', 'gt-')}`)
    : undefined

// Not about prices of this kind, or kept because only one of two sources can be wrong.
const NO_REASON = /base_model names|between the two sources|zero-price|no price given/

const distrust = (rows: readonly DistrustRow[]) => {
  const exact = new Set<string>()
  const prefixes: string[] = []
  for (const { source, provider, id, reason } of rows) {
    if (NO_REASON.test(reason)) continue
    if (id === 'amazon.nova-*') continue
    if (id.endsWith('*')) prefixes.push(`${source} ${provider} ${id.slice(0, -1)}`)
    else exact.add(`${source} ${provider} ${id}`)
  }
  return (source: string, provider: string, id: string): boolean => {
    const name = `${source} ${provider} ${id}`
    return exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix))
  }
}

/** The same id as other lists write it. */
const plainId = (id: string): string => id.toLowerCase().replace(/^accounts\/fireworks\/models\//, '')
