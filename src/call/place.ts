import type { Slot } from '../admit/gate.ts'
import { UpstreamError } from '../providers/provider.ts'
import type { Deps } from './deps.ts'
import type { Attempt } from './dispatch.ts'

/** One attempt in its place at the provider, which is left when the attempt fails or its answer ends. */
export const placed = async (
  deps: Deps,
  slot: Slot,
  client: AbortSignal,
  ask: () => Promise<Attempt>,
): Promise<Attempt> => {
  const asked = deps.clock.now()
  client.addEventListener('abort', slot.leave, { once: true })
  try {
    const begun = await ask()
    const stream = begun.answer.kind === 'stream'
    slot.answered(stream ? deps.clock.now() - asked : undefined)
    if (!stream) slot.leave()
    const abort = () => {
      begun.abort()
      slot.leave()
    }
    return { ...begun, abort }
  } catch (error) {
    if (error instanceof UpstreamError && isCrowded(error) && !client.aborted) slot.crowded()
    slot.leave()
    throw error
  }
}

const isCrowded = ({ fault, message }: UpstreamError): boolean =>
  fault === 'rate_limited' || fault === 'timeout' || message === 'status 503'
