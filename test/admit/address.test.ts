import { expect, test } from 'vitest'
import { createAddresses, isNetwork } from '../../src/admit/address.ts'
import { createConnections } from '../../src/admit/connections.ts'

const PROXIES = ['10.0.0.0/8', '192.0.2.7', '2001:db8:ffff::/48']

const CASES: [
  title: string,
  remote: string | undefined,
  forwarded: string | undefined,
  subject: string | undefined,
][] = [
  ['no socket', undefined, '203.0.113.9', undefined],
  ['a caller without a proxy', '203.0.113.9', undefined, '203.0.113.9'],
  ['a stranger who claims to be another', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
  ['a caller behind a proxy', '10.1.2.3', '203.0.113.9', '203.0.113.9'],
  ['one who wrote a header before the proxy did', '10.1.2.3', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
  ['one behind two proxies', '10.1.2.3', '198.51.100.1, 203.0.113.9, 192.0.2.7', '203.0.113.9'],
  ['a proxy that says nothing', '10.1.2.3', undefined, '10.1.2.3'],
  ['a proxy that says nonsense', '10.1.2.3', 'unknown', '10.1.2.3'],
  ['nonsense written before the proxy', '10.1.2.3', '<script>, 203.0.113.9', '203.0.113.9'],
  ['only proxies', '10.1.2.3', '10.9.9.9', '10.9.9.9'],
  ['with a port', '10.1.2.3', '203.0.113.9:5555', '203.0.113.9'],
  ['IPv4 inside IPv6', '::ffff:203.0.113.9', undefined, '203.0.113.9'],
  ['a trusted proxy as IPv4 inside IPv6', '::ffff:10.1.2.3', '203.0.113.9', '203.0.113.9'],
  ['IPv6: a subscriber is a /64', '2001:db8:1:2:aaaa:bbbb:cccc:dddd', undefined, '2001:db8:1:2::/64'],
  ['IPv6, short', '2001:db8:1:2::5', undefined, '2001:db8:1:2::/64'],
  ['IPv6, shorter', '2001:db8::5', undefined, '2001:db8:0:0::/64'],
  ['IPv6 loopback', '::1', undefined, '0:0:0:0::/64'],
  ['IPv6 with a zone', 'fe80::1%eth0', undefined, 'fe80:0:0:0::/64'],
  ['IPv6 behind an IPv6 proxy', '2001:db8:ffff::1', '[2001:DB8:1:2::7]:443', '2001:db8:1:2::/64'],
  ['IPv6 with an IPv4 tail', '64:ff9b::203.0.113.9', undefined, '64:ff9b:0:0::/64'],
]

test.each(CASES)('%s', (_, remote, forwarded, subject) => {
  expect(createAddresses(PROXIES).subjectOf({ remote, forwarded })).toBe(subject)
})

test('without trusted proxies the header is never looked at', () => {
  expect(createAddresses([]).subjectOf({ remote: '127.0.0.1', forwarded: '203.0.113.9' })).toBe('127.0.0.1')
})

test.each([
  ['10.0.0.0/8', true],
  ['192.0.2.7', true],
  ['2001:db8::/32', true],
  ['10.0.0.0/33', false],
  ['2001:db8::/129', false],
  ['10.0.0.0/8/8', false],
  ['10.0.0.0/x', false],
  ['proxy.test', false],
  ['fe80::1%eth0', false],
  ['', false],
])('a network: %s', (text, good) => {
  expect(isNetwork(text)).toBe(good)
})

test('an address has its share of connections, and gets each one back', () => {
  const connections = createConnections({ most: 2, isFree: (address) => address === 'proxy' })
  expect(['a', 'a', 'a', 'b', undefined].map(connections.open)).toEqual([true, true, false, true, true])
  connections.close('a')
  expect(connections.open('a')).toBe(true)
  expect(connections.open('a')).toBe(false)
  for (let i = 0; i < 100; i++) expect(connections.open('proxy')).toBe(true)
  connections.close('proxy')
  connections.close(undefined)
})
