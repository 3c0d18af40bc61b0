import type { Dispatcher, Pool } from 'undici'

/** An answer whose head has arrived; its body is read once, by one of the two. */
export type Incoming = {
  status: number
  header: (name: string) => string | undefined
  /** All of the body as text; undefined when it is longer than `limit` bytes, and the rest is not waited for. */
  text: (limit: number) => Promise<string | undefined>
  /** The body as it comes, each time all of it that is there; whoever stops reading ends the request. */
  chunks: () => AsyncGenerator<readonly Buffer[]>
}

export type Outgoing = {
  path: string
  headers: Readonly<Record<string, string>>
  body: string
  /** Longest wait for the head, ms. */
  headersTimeout: number
  signal: AbortSignal
}

/** Bytes that may wait for a slow reader before the connection is told to pause. */
const MOST_WAITING = 1 << 20

/**
 * Posts to a pool and resolves with the head of the answer. By undici's own handlers: its `request` makes a web stream's
 * worth of machinery for each answer, a third of what a call costs here. Rejects as undici does; an abort ends it at once.
 */
export const post = (pool: Pool, { signal, ...request }: Outgoing): Promise<Incoming> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    let control: Dispatcher.DispatchController | undefined
    let begun = false
    let state: 'open' | 'ended' | 'failed' = 'open'
    let failure: unknown
    let waiting: Buffer[] = []
    let size = 0
    let paused = false
    let wake: (() => void) | undefined
    let whole = false

    const abort = () => control?.abort(signal.reason ?? new Error('not wanted'))
    const stop = (how: 'ended' | 'failed', error?: unknown) => {
      signal.removeEventListener('abort', abort)
      state = how
      failure = error
      if (!begun) reject(error)
      wake?.()
    }
    const change = (): Promise<void> =>
      new Promise((changed) => {
        wake = changed
      })
    const take = (): Buffer[] => {
      const taken = waiting
      waiting = []
      size = 0
      if (paused) control?.resume()
      paused = false
      return taken
    }

    const text = async (limit: number): Promise<string | undefined> => {
      whole = true
      while (state === 'open' && size <= limit) await change()
      if (size > limit) {
        abort()
        return undefined
      }
      if (state === 'failed') throw failure
      const parts = take()
      return parts.length === 1 ? parts[0]!.toString('utf8') : Buffer.concat(parts).toString('utf8')
    }

    async function* chunks(): AsyncGenerator<readonly Buffer[]> {
      try {
        for (;;) {
          while (waiting.length > 0) yield take()
          if (state === 'failed') throw failure
          if (state === 'ended') return
          await change()
        }
      } finally {
        if (state === 'open') abort()
      }
    }

    signal.addEventListener('abort', abort, { once: true })
    pool.dispatch(
      { ...request, method: 'POST' },
      {
        onRequestStart: (controller) => {
          control = controller
          if (signal.aborted) abort()
        },
        onResponseStart: (_, status, headers) => {
          if (status < 200) return
          begun = true
          const header = (name: string) => [headers[name]].flat()[0]
          resolve({ status, header, text, chunks })
        },
        onResponseData: (controller, chunk) => {
          waiting.push(chunk)
          size += chunk.length
          if (!whole && size > MOST_WAITING && !paused) {
            paused = true
            controller.pause()
          }
          // A whole body is looked at when it is all there.
          if (!whole || size > MOST_WAITING) wake?.()
        },
        onResponseEnd: () => stop('ended'),
        onResponseError: (_, error) => stop('failed', error),
      },
    )
  })
