/** What we use of the optional package: where its facilitator is, and a fresh token for each request. */
type Package = {
  createFacilitatorConfig: (
    id: string,
    secret: string,
  ) => {
    url: string
    createAuthHeaders?: () => Promise<Readonly<Record<string, Readonly<Record<string, string>>>>>
  }
}

export type Facilitator = { url: string; headers: () => Promise<Readonly<Record<string, string>>> }

const NAME = '@coinbase/x402'

/** Coinbase's hosted facilitator, by its own package, which is loaded only here. Throws with what to do when it or a key is missing. */
export const openCoinbase = async (
  keys: { id: string | undefined; secret: string | undefined },
  load: () => Promise<unknown> = () => import(NAME),
): Promise<Facilitator> => {
  const { id, secret } = keys
  if (!id || !secret)
    throw new Error(
      'facilitator.coinbase: set the variables of facilitator.keyIdEnv and facilitator.keySecretEnv',
    )
  const found = await load().catch(() => {
    throw new Error(`facilitator.coinbase: needs the package ${NAME} (npm install ${NAME})`)
  })
  const { createFacilitatorConfig } = found as Partial<Package>
  if (typeof createFacilitatorConfig !== 'function')
    throw new Error(`facilitator.coinbase: this version of ${NAME} has no createFacilitatorConfig`)
  const { url, createAuthHeaders } = createFacilitatorConfig(id, secret)
  return { url, headers: async () => (await createAuthHeaders?.())?.['settle'] ?? {} }
}
