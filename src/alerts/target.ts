import { isIP } from 'node:net'
import { judgeAddress } from './address.ts'

/** Where webhooks may go beside public addresses: the operator's own choice. */
export type Targets = {
  /** Private addresses, any port, and plain http. */
  allowPrivate: boolean
  /** Names of hosts that may be at private addresses. */
  allowHosts?: readonly string[]
}

/** `trusted`: the operator named it, so its addresses are not judged. */
export type Target = { ok: true; url: URL; trusted: boolean } | { ok: false; why: string }

const LONGEST = 2_000
const PORTS = new Set(['', '443', '8443'])
/** Names that mean something on a machine, in a house or nowhere. Sources: the IANA registry of special-use names, RFC 6762. */
const INNER =
  /(^|\.)(alt|arpa|example|internal|intranet|invalid|local|localdomain|localhost|onion|test|lan|home|corp|private|svc|example\.(com|net|org))$/

/** Judges the URL of a webhook as far as that can be done without asking for its name. Pure. */
export const judgeTarget = (text: string, targets: Targets): Target => {
  if (text.length > LONGEST) return no(`it is longer than ${LONGEST} characters`)
  // A parser drops or turns some of these, so that people and it read different hosts.
  if (!/^[\x21-\x7e]+$/.test(text))
    return no('it holds spaces or other letters than those of ASCII (write the name in punycode)')
  if (text.includes('\\')) return no('it holds a backslash')
  const url = URL.parse(text)
  if (!url) return no('it is not a URL')
  const { allowPrivate, allowHosts = [] } = targets
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) return no('it is not https')
  if (url.username !== '' || url.password !== '' || /^[^/]*\/\/[^/?#]*@/.test(text))
    return no('it holds a user or password')
  const host = bare(url.hostname)
  const trusted = allowPrivate || allowHosts.includes(host)
  if (!trusted && !PORTS.has(url.port)) return no('its port is neither 443 nor 8443')
  const why = trusted ? undefined : judgeHost(host)
  if (why !== undefined) return no(why)
  url.hash = ''
  return { ok: true, url, trusted }
}

/** A host without the brackets of IPv6. */
export const bare = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1')

const judgeHost = (host: string): string | undefined => {
  if (isIP(host) !== 0) return judgeAddress(host)
  if (host.endsWith('.')) return 'its name ends in a dot'
  if (!/^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+(xn--[a-z0-9-]+|[a-z]{2,63})$/.test(host))
    return 'its host is not a full name'
  return INNER.test(host) ? 'its name is not a public one' : undefined
}

const no = (why: string): Target => ({ ok: false, why })
