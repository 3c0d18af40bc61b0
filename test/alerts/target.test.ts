import { describe, expect, test } from 'vitest'
import { judgeAddress } from '../../src/alerts/address.ts'
import { createSend, judgeNow } from '../../src/alerts/send.ts'
import { judgeTarget } from '../../src/alerts/target.ts'

const STRICT = { allowPrivate: false, allowHosts: [] }

/** Hosts that are, in one way of writing or another, an address that is not public. */
const LITERALS = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '0x7f.1',
  '0177.0.0.1',
  '017700000001',
  '0177.0.0.0x1',
  '127.0.0.1.',
  '0',
  '0.0.0.0',
  '0x0',
  '10.0.0.1',
  '10.1',
  '0xa000001',
  '012.0.0.1',
  '100.64.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '169.254.169.254',
  '2852039166',
  '0xa9fea9fe',
  '0251.0376.0251.0376',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.0.1',
  '192.168.257',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.7',
  '203.0.113.9',
  '224.0.0.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.255',
  '4294967295',
  '[::]',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[0000::0001]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:8.8.8.8]',
  '[::127.0.0.1]',
  '[::a9fe:a9fe]',
  '[::ffff:0:127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b::169.254.169.254]',
  '[64:ff9b:1::1]',
  '[100::1]',
  '[2001::1]',
  '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
  '[2001:2::1]',
  '[2001:10::1]',
  '[2001:20::1]',
  '[2001:db8::1]',
  '[2002:7f00:1::]',
  '[2002:a9fe:a9fe::1]',
  '[3ffe::1]',
  '[3fff::1]',
  '[5f00::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '[fe80::1%25eth0]',
  '[fe80::1%eth0]',
  '[fec0::1]',
  '[ff02::1]',
  '[4000::1]',
  '[e000::1]',
]

const NAMES = [
  'localhost',
  'LOCALHOST',
  'localhost.',
  'a.localhost',
  'printer.local',
  'metadata',
  'metadata.google.internal',
  'router.home.arpa',
  '1.0.0.127.in-addr.arpa',
  'nas.lan',
  'db.corp',
  'shop.test',
  'shop.example',
  'example.com',
  'www.example.org',
  'hidden.onion',
  'what.invalid',
  'api.default.svc',
  'shop.com.',
  'shop..com',
  '-shop.com',
  'shop.c0m',
  '127.0.0.1.5',
  '１２７.0.0.1',
  '127。0。0。1',
  'ⓛocalhost',
  'loc\u00adalhost',
  'bücher.de',
]

const WHOLE = [
  'http://shop.com/in',
  'ftp://shop.com/in',
  'file:///etc/passwd',
  'gopher://shop.com/',
  'javascript:alert(1)',
  '//shop.com/in',
  'shop.com/in',
  '',
  'https://',
  'https://:443/',
  'https://user@shop.com/',
  'https://user:secret@shop.com/',
  'https://@shop.com/',
  'https://shop.com@127.0.0.1/',
  'https://shop.com\\@127.0.0.1/',
  'https:\\\\127.0.0.1/',
  'https://shop.com\\in',
  'https://shop.com:22/',
  'https://shop.com:80/',
  'https://shop.com:6379/',
  'https://shop.com:0/',
  'https://shop.com:65536/',
  'https://127.0.0.1:443/',
  'https:///127.0.0.1/',
  'https:127.0.0.1/',
  'https://shop.com\t.evil.net/',
  'https://shop.com /',
  ' https://127.0.0.1/',
  'https://shop.com/\r\nHost: other',
  'https://%31%32%37.0.0.1/',
  `https://shop.com/${'a'.repeat(2_000)}`,
]

describe('webhooks go to public addresses only', () => {
  test.each([...LITERALS, ...NAMES].map((host) => `https://${host}/in`).concat(WHOLE))(
    '%j is refused',
    (url) => {
      const judged = judgeTarget(url, STRICT)
      expect(judged).toEqual({ ok: false, why: expect.stringMatching(/^(it|its|the) .{5,}/) })
    },
  )

  test.each([
    'https://shop.com/in',
    'https://SHOP.com:443/in?a=1#part',
    'https://shop.com:8443/',
    'https://xn--bcher-kva.de/in',
    'https://8.8.8.8/in',
    'https://[2606:4700:4700::1111]/in',
    'https://a_b.shop.co.uk/in/@me',
  ])('%s is taken', (url) => {
    expect(judgeTarget(url, STRICT)).toMatchObject({ ok: true, trusted: false })
  })

  test('an operator may open private addresses, or single hosts', () => {
    expect(judgeTarget('http://127.0.0.1:9/', { allowPrivate: true, allowHosts: [] })).toMatchObject({
      ok: true,
    })
    const named = { allowPrivate: false, allowHosts: ['hooks.corp'] }
    expect(judgeTarget('https://hooks.corp:9443/', named)).toMatchObject({ ok: true, trusted: true })
    expect(judgeTarget('http://hooks.corp/', named)).toMatchObject({ ok: false })
    expect(judgeTarget('https://other.corp/', named)).toMatchObject({ ok: false })
  })

  const RESOLVED = [
    ['127.0.0.1'],
    ['10.1.2.3'],
    ['169.254.169.254'],
    ['::1'],
    ['::ffff:10.0.0.1'],
    ['64:ff9b::a00:1'],
    ['2002:a00:1::'],
    ['fe80::1%eth0'],
    ['fd12::1'],
    ['0.0.0.0'],
    ['8.8.8.8', '192.168.0.1'],
    ['2606:4700:4700::1111', '::1'],
    ['not an address'],
  ]
  test.each(RESOLVED)('a name that leads to %j is refused, and nothing is sent', async (...addresses) => {
    const facts = { targets: () => STRICT, resolve: async () => addresses.flat() }
    const sent = await createSend(facts)(
      { url: 'https://shop.com/in', headers: {}, body: '{}' },
      new AbortController().signal,
    )
    expect(sent).toEqual({ ms: expect.any(Number), why: 'its name leads to an address that is not public' })
    expect(await judgeNow('https://shop.com/in', facts)).toBe(
      'its name leads to an address that is not public',
    )
  })

  test.each(['1.1.1.1', '172.15.255.255', '172.32.0.0', '100.63.255.255', '2606:4700::1', '2a00:1450::1'])(
    '%s is a public address',
    (address) => expect(judgeAddress(address)).toBeUndefined(),
  )
})
