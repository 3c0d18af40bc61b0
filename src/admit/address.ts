import { BlockList, isIP } from 'node:net'

/** Where a request comes from: what the socket says, and what proxies wrote into X-Forwarded-For. */
export type Origin = { remote: string | undefined; forwarded: string | undefined }

export type Addresses = {
  /**
   * The address that a request is counted for: that of the socket, or, where the socket is that of a trusted proxy, the
   * last one in X-Forwarded-For that is not. IPv6 counts by its /64, which one subscriber has to itself.
   */
  subjectOf: (origin: Origin) => string | undefined
  isTrusted: (remote: string | undefined) => boolean
  /** The address itself, for lists of who may come from where. */
  addressOf: (origin: Origin) => string | undefined
}

/** Knows the proxies by address or CIDR, as `isNetwork` takes them. */
export const createAddresses = (trustedProxies: readonly string[]): Addresses => {
  const trusted = networksOf(trustedProxies)
  const isTrusted = (remote: string | undefined): boolean => {
    const address = remote === undefined ? '' : plain(remote)
    return isWithin(trusted, address)
  }
  const addressOf: Addresses['addressOf'] = ({ remote, forwarded }) => {
    if (remote === undefined) return undefined
    let found = plain(remote)
    if (trustedProxies.length === 0 || !forwarded) return found
    for (const hop of forwarded.split(',').reverse()) {
      if (!isTrusted(found)) break
      const before = plain(hop.trim())
      // What is no address was not written by a proxy that we trust.
      if (isIP(before) === 0) break
      found = before
    }
    return found
  }
  return {
    isTrusted,
    addressOf,
    subjectOf: (origin) => {
      const address = addressOf(origin)
      return address === undefined ? undefined : network(address)
    },
  }
}

/** Addresses and networks, as `isNetwork` takes them, to look addresses up in. */
export const networksOf = (ranges: readonly string[]): BlockList => {
  const list = new BlockList()
  for (const one of ranges) {
    const [address = '', bits] = one.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/** Whether an address is in one of them; what is no address never is. */
export const isWithin = (networks: BlockList, address: string): boolean => {
  const kind = isIP(address)
  return kind !== 0 && networks.check(address, kind === 6 ? 'ipv6' : 'ipv4')
}

/** An address, or a network as address/bits. */
export const isNetwork = (text: string): boolean => {
  const [address = '', bits, ...rest] = text.split('/')
  const kind = isIP(address)
  if (kind === 0 || rest.length > 0 || address.includes('%')) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (kind === 6 ? 128 : 32))
}

/** Without port, brackets and zone; an IPv4 address inside IPv6 as IPv4. */
const plain = (text: string): string => {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, '$1')
  const address = bare.replace(/%.*$/, '').toLowerCase()
  return /^::ffff:([\d.]+)$/.exec(address)?.[1] ?? address
}

const network = (address: string): string =>
  isIP(address) === 6 ? `${groups(address).join(':')}::/64` : address

/** The first four groups of an IPv6 address, without leading zeros. */
const groups = (address: string): string[] => {
  const [head = '', tail] = address.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = !tail ? [] : tail.split(':')
  // A tail may end in an IPv4 address, which is two groups.
  const width = back.length + (back.at(-1)?.includes('.') ? 1 : 0)
  const gap = tail === undefined ? [] : new Array<string>(8 - front.length - width).fill('0')
  return [...front, ...gap, ...back].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
}
