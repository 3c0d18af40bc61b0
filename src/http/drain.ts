import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export type DrainFacts = {
  /** Calls are taken for so long after the end was ordered, so that balancers notice first, ms. */
  delayMs: number
  /** Then, what runs may go on for so long, ms. */
  ms: number
  /** Ends what still streams, in words that its callers see. */
  cut: (why: string) => void
}

/** The end of a server, in order. */
export type Drain = {
  /** The end was ordered: the instance is not ready, and takes calls for a little longer. */
  leaving: () => boolean
  /** No more calls are taken. */
  ending: () => boolean
  /** Orders the end: from now on `leaving`. */
  leave: () => void
  /** Work of a request, which is waited for even when its connection is gone: a bill follows the last byte. */
  track: <T>(work: T) => T
  /** Closes the port and every connection that does nothing, waits for those that do, and ends what does not end. To be called once. */
  end: (facts: DrainFacts) => Promise<void>
}

/** How long a new connection has for its request, ms. */
const FIRST_WORDS_MS = 200
/** How long a stream that was cut has for its last words, and work for its bill, ms. */
const LAST_WORDS_MS = 2_000
const BILL_MS = 10_000

/** Watches a server from its first connection on, so that it can be ended in order. */
export const createDrain = (server: Server): Drain => {
  const answers = new Set<ServerResponse>()
  const unused = new Set<Socket>()
  const work = new Set<Promise<unknown>>()
  let leaving = false
  let ending = false

  server.on('connection', (socket: Socket) => {
    unused.add(socket)
    socket.once('close', () => unused.delete(socket))
  })
  server.prependListener('request', (request, answer: ServerResponse) => {
    unused.delete(request.socket)
    answers.add(answer)
    if (leaving) answer.setHeader('connection', 'close')
    answer.once('close', () => {
      answers.delete(answer)
      // A stream promised to keep its connection before the end was ordered.
      if (ending) setImmediate(() => server.closeIdleConnections())
    })
  })

  const shut = (): Promise<true> => {
    for (const answer of answers) if (!answer.headersSent) answer.setHeader('connection', 'close')
    const closed = new Promise<true>((resolve) => server.close(() => resolve(true)))
    server.closeIdleConnections()
    // Node counts a connection that never asked for anything as busy; its first request may be on its way.
    setTimeout(() => {
      for (const socket of unused) socket.destroy()
    }, FIRST_WORDS_MS)
    return closed
  }

  return {
    leaving: () => leaving,
    ending: () => ending,
    leave: () => {
      leaving = true
    },
    track: (one) => {
      const done = Promise.resolve(one).catch(() => {})
      work.add(done)
      void done.then(() => work.delete(done))
      return one
    },
    end: async ({ delayMs, ms, cut }) => {
      leaving = true
      if (delayMs > 0) await wait(delayMs)
      ending = true
      const closed = shut()
      if (!(await within(closed, ms))) {
        cut('this instance is shutting down')
        if (!(await within(closed, LAST_WORDS_MS))) server.closeAllConnections()
        await closed
      }
      await within(
        Promise.all(work).then(() => true as const),
        BILL_MS,
      )
    },
  }
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Whether it ended in time. */
const within = async (work: Promise<true>, ms: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
