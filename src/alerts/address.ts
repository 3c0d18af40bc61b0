/** Which addresses are somebody's on the public internet. Source: the IANA registries of special-purpose addresses. */
import { BlockList, isIP } from 'node:net'

/** By range, what it is for. Those that are reached from everywhere but never serve a webhook (anycast, relays) are here too. */
const SPECIAL_4 = {
  '0.0.0.0/8': 'this network',
  '10.0.0.0/8': 'private',
  '100.64.0.0/10': 'shared by a carrier',
  '127.0.0.0/8': 'loopback',
  // A public number that Azure answers inside each of its machines.
  '168.63.129.16/32': 'of the cloud',
  '169.254.0.0/16': 'link-local',
  '172.16.0.0/12': 'private',
  '192.0.0.0/24': 'for protocols',
  '192.0.2.0/24': 'documentation',
  '192.31.196.0/24': 'for protocols',
  '192.52.193.0/24': 'for protocols',
  '192.88.99.0/24': 'a relay of 6to4',
  '192.168.0.0/16': 'private',
  '192.175.48.0/24': 'for protocols',
  '198.18.0.0/15': 'for benchmarks',
  '198.51.100.0/24': 'documentation',
  '203.0.113.0/24': 'documentation',
  '224.0.0.0/4': 'multicast',
  '240.0.0.0/4': 'reserved',
} as const

/** What lies outside 2000::/3 is no global unicast at all; the names are for those who ask why. */
const SPECIAL_6 = {
  '::1/128': 'loopback',
  '::/128': 'unspecified',
  '::ffff:0:0/96': 'IPv4 inside IPv6',
  '::ffff:0:0:0/96': 'IPv4 inside IPv6',
  '::/96': 'IPv4 inside IPv6',
  '64:ff9b::/96': 'NAT64',
  '64:ff9b:1::/48': 'NAT64',
  '100::/64': 'discarded',
  '2001::/32': 'Teredo',
  '2001::/23': 'for protocols',
  '2001:db8::/32': 'documentation',
  '2002::/16': '6to4',
  '2620:4f:8000::/48': 'for protocols',
  '3ffe::/16': 'given back',
  '3fff::/20': 'documentation',
  '5f00::/16': 'segment routing',
  'fc00::/7': 'private',
  'fe80::/10': 'link-local',
  'fec0::/10': 'site-local',
  'ff00::/8': 'multicast',
} as const

type Range = { list: BlockList; what: string }

const ranges = (table: Readonly<Record<string, string>>, family: 'ipv4' | 'ipv6'): Range[] =>
  Object.entries(table).map(([range, what]) => {
    const [net = '', bits] = range.split('/')
    const list = new BlockList()
    list.addSubnet(net, Number(bits), family)
    return { list, what }
  })

const RANGES = { ipv4: ranges(SPECIAL_4, 'ipv4'), ipv6: ranges(SPECIAL_6, 'ipv6') }
const [GLOBAL] = ranges({ '2000::/3': 'global unicast' }, 'ipv6')

/** Why an address is not a public unicast one; undefined when it is. Takes the usual text of an address, without brackets. */
export const judgeAddress = (address: string): string | undefined => {
  const version = isIP(address)
  if (version === 0 || address.includes('%')) return 'not an address'
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const special = RANGES[family].find(({ list }) => list.check(address, family))
  if (special) return `the address is ${special.what}`
  return version === 6 && !GLOBAL!.list.check(address, family)
    ? 'the address is not global unicast'
    : undefined
}
