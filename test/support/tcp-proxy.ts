import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A loopback proxy in front of a port, for the ways in which a network fails. */
export type TcpProxy = {
  port: number
  /** Each reply arrives this much later, in order; 0 ends it. */
  delay: (ms: number) => void
  /** Requests arrive, replies are lost. Ends with the connections that lost one: their byte stream has a hole. */
  dropReplies: (on: boolean) => void
  /** Nothing arrives either way and connections hang; what was sent meanwhile arrives when it ends, as with TCP. */
  partition: (on: boolean) => void
  /** Destroys every connection; new ones are welcome. */
  cut: () => void
  /** Sends new connections to another port: as when an address moves to another server. */
  retarget: (port: number) => void
  /** Connections that stand now. */
  open: () => number
  close: () => Promise<void>
}

type Pair = { client: Socket; target: Socket | undefined; lost: boolean }

/** Forwards connections to `targetPort` on loopback until told otherwise. */
export const startTcpProxy = async (targetPort: number): Promise<TcpProxy> => {
  const pairs = new Set<Pair>()
  const state = { target: targetPort, delayMs: 0, drop: false, apart: false }

  const join = (pair: Pair) => {
    const target = connect({ port: state.target, host: '127.0.0.1', noDelay: true })
    pair.target = target
    const { client } = pair
    let turn = Promise.resolve()
    const inTurn = (act: () => void) => {
      // Once something waits, what comes after it waits too.
      const wait = state.delayMs
      const due = new Promise<void>((resolve) => setTimeout(resolve, wait))
      turn = turn.then(() => due).then(act)
    }
    client.on('data', (part) => void target.write(part))
    client.on('end', () => target.end())
    target.on('data', (part) => {
      if (state.drop) pair.lost = true
      else if (!pair.lost) inTurn(() => void (client.writable && client.write(part)))
    })
    target.on('end', () => inTurn(() => client.end()))
    target.on('error', () => client.destroy())
    target.on('close', () => inTurn(() => client.destroy()))
    client.on('close', () => target.destroy())
  }

  const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
    const pair: Pair = { client, target: undefined, lost: false }
    pairs.add(pair)
    client.on('error', () => client.destroy())
    client.on('close', () => pairs.delete(pair))
    if (state.apart) return
    join(pair)
    client.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  const end = (pair: Pair) => {
    pair.client.destroy()
    pair.target?.destroy()
  }
  const cut = () => {
    for (const pair of pairs) end(pair)
  }
  return {
    port: (server.address() as AddressInfo).port,
    retarget: (port) => {
      state.target = port
    },
    delay: (ms) => {
      state.delayMs = ms
    },
    dropReplies: (on) => {
      state.drop = on
      if (!on) for (const pair of pairs) if (pair.lost) end(pair)
    },
    partition: (on) => {
      state.apart = on
      for (const pair of pairs) {
        if (!on && !pair.target) join(pair)
        for (const socket of [pair.client, pair.target]) on ? socket?.pause() : socket?.resume()
      }
    },
    cut,
    open: () => pairs.size,
    close: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
