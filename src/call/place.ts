import type { Slot } from '../admit/gate.ts'
import { UpstreamError } from '../providers/provider.ts'
import type { Begun } from './attempt.ts'

/** One attempt in its place at the provider, which is left when the attempt fails or its answer ends. */
export const placed = async (slot: Slot, signal: AbortSignal, ask: () => Promise<Begun>): Promise<Begun> => {
  const leave = () => {
    signal.removeEventListener('abort', leave)
    slot.leave()
  }
  signal.addEventListener('abort', leave)
  try {
    const begun = await ask()
    const stream = begun.answer.kind === 'stream'
    slot.answered(stream ? begun.first - begun.asked : undefined)
    if (!stream) leave()
    const abort = () => {
      begun.abort()
      leave()
    }
    return { ...begun, abort }
  } catch (error) {
    if (error instanceof UpstreamError && isCrowded(error) && !signal.aborted) slot.crowded()
    leave()
    throw error
  }
}

const isCrowded = ({ fault, message }: UpstreamError): boolean =>
  fault === 'rate_limited' || fault === 'timeout' || message === 'status 503'
