import type { ChainId } from '../assets.ts'
import { createChain } from '../chain/chain.ts'
import { addressOf } from '../chain/signatures.ts'
import type { Config } from '../config.ts'
import { lookAtModels } from './doctor-models.ts'
import { wordsFor } from './words.ts'

export type DoctorFacts = { config: Config; out: (line: string) => void }

const FEW_SETTLEMENTS = 200n
const GAS_PER_SETTLEMENT = 90_000n
const MAX_SKEW_SECONDS = 60

/** `farebox doctor`: looks at everything a paid call depends on; 0 when all is well, 1 when something is not. */
export const doctor = async ({ config, out }: DoctorFacts): Promise<number> => {
  let worst = 0
  const say = (well: boolean, text: string) => {
    out(`${well ? '✓' : '✗'} ${text}`)
    if (!well) worst = 1
  }
  say(true, `configuration: ${config.catalog.models.length} models, ${config.providers.length} providers`)
  for (const one of config.chains) await lookAtChain(config, one, say)
  const today = new Date().toISOString().slice(0, 10)
  const found = await Promise.all(config.providers.map((one) => lookAtModels(config, one, today)))
  for (const { state, text } of found.flat()) {
    if (state === 'note') out(`! ${text}`)
    else say(state === 'well', text)
  }
  return worst
}

type Say = (well: boolean, text: string) => void

const lookAtChain = async (
  config: Config,
  { id, rpc }: Config['chains'][number],
  say: Say,
): Promise<void> => {
  const chain = createChain(id as ChainId, rpc)
  try {
    await chain.checkId()
    const head = await chain.head()
    const skew = Math.round(Date.now() / 1000) - head.timestamp
    say(true, `${id}: block ${head.number}`)
    if (skew < -MAX_SKEW_SECONDS) say(false, `${id}: our clock is ${-skew} s behind the chain's`)
    const settler = addressOf(config.secrets.settlerKey)
    const gas = await chain.gasBalance(settler)
    const cost = GAS_PER_SETTLEMENT * chain.fees(head).maxFee
    say(
      gas >= cost * FEW_SETTLEMENTS,
      `${id}: settler ${settler} has gas for ${cost > 0n ? gas / cost : 0n} settlements`,
    )
    for (const { payTo: _payTo, ...asset } of config.assets.filter((one) => one.chain === id)) {
      const wrong = asset.methods.includes('eip3009')
        ? await chain.checkAsset(asset)
        : 'only eip3009 is served today'
      say(wrong === undefined, `${id}: ${asset.symbol} ${asset.address}${wrong ? `: ${wrong}` : ''}`)
    }
  } catch (error) {
    say(false, `${id}: ${wordsFor(error)}`)
  } finally {
    await chain.close()
  }
}
