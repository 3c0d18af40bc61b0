import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readConfig } from '../../src/config.ts'
import { FAMILIES } from '../../src/metrics/families.ts'
import { createMetrics } from '../../src/metrics.ts'
import { parseStoreUrl } from '../../src/store/redis.ts'
import { FLEET_SIZE } from '../support/fleet.ts'
import { samplesOf } from '../support/prometheus.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

type Service = {
  image?: string
  build?: unknown
  environment?: Record<string, string>
  volumes?: string[]
  ports?: string[]
  command?: string[]
  networks?: string[]
  depends_on?: string[] | Record<string, unknown>
}
type Compose = {
  services: Record<string, Service>
  networks: { fleet: { ipam: { config: { subnet: string }[] } } }
  volumes: Record<string, unknown>
}
const compose = parse(read('docker-compose.yml')) as Compose
const { services } = compose
const instances = Object.keys(services).filter((name) => /^farebox-\d+$/.test(name))
const config = readConfig(read('docker/farebox.yaml'), services['farebox-1']?.environment ?? {})
const haproxy = read('docker/haproxy/haproxy.cfg')
const prometheus = parse(read('docker/prometheus/prometheus.yaml')) as {
  scrape_configs: { authorization?: { credentials: string }; static_configs: { targets: string[] }[] }[]
}
const alerts = parse(read('docker/prometheus/alerts.yaml')) as {
  groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[]
}
const dashboard = JSON.parse(read('docker/grafana/dashboards/farebox.json')) as {
  /** A row has no targets. */
  panels: { title: string; id: number; targets?: { expr: string }[] }[]
}

test('the fleet of docker compose is the fleet of the tests: as many instances, one configuration, one ledger', () => {
  expect(instances).toEqual(Array.from({ length: FLEET_SIZE }, (_, i) => `farebox-${i + 1}`))
  for (const name of instances) expect(services[name]).toEqual(services['farebox-1'])
  const store = parseStoreUrl(config.store)
  expect(store).toMatchObject({ kind: 'single', hosts: [{ host: 'redis', port: 6379 }], name: 'farebox' })
})

test('the ledger in Redis loses nothing that was answered', () => {
  const command = services['redis']?.command?.join(' ')
  expect(command).toContain('--appendonly yes --appendfsync always --maxmemory-policy noeviction')
  expect(services['redis']?.volumes).toEqual(['redis:/data'])
  expect(services['redis-replica']?.command?.join(' ')).toContain('--replicaof redis 6379')
})

test('balancer and Prometheus know every instance, and who may read the metrics', () => {
  const targets = instances.map((name) => `${name}:${config.server.port}`)
  const behind = [...haproxy.matchAll(/^\s*server (\S+) (\S+)$/gm)].map(([, name, at]) => `${name} ${at}`)
  expect(behind).toEqual(instances.map((name, i) => `${name} ${targets[i]}`))
  const [own, balancer] = prometheus.scrape_configs
  expect(own?.static_configs[0]?.targets).toEqual(targets)
  expect(config.secrets.metricsKeys).toEqual([own?.authorization?.credentials])
  const [host, port] = balancer!.static_configs[0]!.targets[0]!.split(':')
  expect(services[host!]).toBeDefined()
  expect(haproxy).toContain(`bind :${port}`)
})

test('nothing is published but on this machine, and only the balancer answers callers', () => {
  for (const [name, { ports = [] }] of Object.entries(services)) {
    for (const one of ports) expect([name, one]).toEqual([name, expect.stringMatching(/^127\.0\.0\.1:/)])
  }
  for (const name of instances) expect(services[name]?.ports).toBeUndefined()
  expect(services['balancer']?.ports).toEqual(['127.0.0.1:8402:8402'])
  expect(config.server.publicUrl).toBe('http://127.0.0.1:8402')
  expect(config.server.trustedProxies).toEqual([compose.networks.fleet.ipam.config[0]?.subnet])
})

test('every file that is mounted is there, and every service and volume that is named', () => {
  for (const [name, { volumes = [], depends_on = [] }] of Object.entries(services)) {
    for (const volume of volumes) {
      const [source = ''] = volume.split(':')
      const known = source.startsWith('./') ? existsSync(join(ROOT, source)) : source in compose.volumes
      expect([name, source, known]).toEqual([name, source, true])
    }
    const needs = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
    for (const one of needs) expect([name, one, one in services]).toEqual([name, one, true])
  }
  for (const kind of ['datasources/prometheus', 'dashboards/farebox'])
    expect(parse(read(`docker/grafana/provisioning/${kind}.yaml`))).toMatchObject({ apiVersion: 1 })
})

/** The names of metrics in an expression, without what belongs to a histogram. */
const namesIn = (expr: string): string[] =>
  [...expr.matchAll(/\bfarebox_\w+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ''))

test('graphs and alerts ask only for what is counted, by labels that it has', () => {
  const asked = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...alerts.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
  ]
  for (const expr of asked) {
    const names = namesIn(expr)
    expect([expr, names.filter((name) => !(name in FAMILIES))]).toEqual([expr, []])
    const known = new Set(['le', 'instance', 'job'])
    for (const name of names) for (const one of FAMILIES[name as keyof typeof FAMILIES].labels) known.add(one)
    const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/,\s*/))
    const chosen = [...expr.matchAll(/[{,](\w+)=?[=!~]/g)].map(([, label]) => label!)
    expect([expr, [...grouped, ...chosen].filter((label) => !known.has(label))]).toEqual([expr, []])
    for (const name of names) {
      const { type } = FAMILIES[name as keyof typeof FAMILIES]
      expect([expr, name, expr.includes(`${name}_bucket`)]).toEqual([expr, name, type === 'histogram'])
    }
  }
  const all = new Set(asked.flatMap(namesIn))
  const unseen = Object.keys(FAMILIES).filter((name) => !all.has(name))
  expect(unseen).toEqual([])
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
})

test('what is counted is what the table says', async () => {
  const text = (await createMetrics().scrape()).text
  for (const [name, { type }] of Object.entries(FAMILIES)) expect(text).toContain(`# TYPE ${name} ${type}`)
  expect(samplesOf(text).length).toBeGreaterThan(0)
})

const has = (command: string): boolean =>
  spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined

test.skipIf(!has('haproxy'))('HAProxy takes its configuration', () => {
  const { status, stderr } = spawnSync('haproxy', ['-c', '-f', join(ROOT, 'docker/haproxy/haproxy.cfg')])
  expect([status, String(stderr)]).toEqual([0, expect.not.stringMatching(/ALERT|WARNING/)])
})

test.skipIf(!has('promtool'))('Prometheus takes its alerts', () => {
  const { status, stdout } = spawnSync('promtool', [
    'check',
    'rules',
    join(ROOT, 'docker/prometheus/alerts.yaml'),
  ])
  expect([status, String(stdout)]).toEqual([0, expect.stringContaining('SUCCESS')])
})
