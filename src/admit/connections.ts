/** Connections by address, so that one caller cannot take them all. */
export type Connections = {
  /** Counts a connection; false where its address has as many as it may, and then it is not counted. */
  open: (address: string | undefined) => boolean
  close: (address: string | undefined) => void
}

/** `most`: at once for one address. Addresses for which `isFree` holds, such as proxies, have as many as they like. */
export const createConnections = ({
  most,
  isFree,
}: {
  most: number
  isFree: (address: string) => boolean
}): Connections => {
  const counts = new Map<string, number>()
  return {
    open: (address) => {
      if (address === undefined || isFree(address)) return true
      const count = counts.get(address) ?? 0
      if (count >= most) return false
      counts.set(address, count + 1)
      return true
    },
    close: (address) => {
      if (address === undefined) return
      const count = counts.get(address)
      if (count === undefined) return
      if (count > 1) counts.set(address, count - 1)
      else counts.delete(address)
    },
  }
}
