import type { ConfigFile, FacilitatorSecrets } from '../config.ts'

type File = ConfigFile['facilitator']
type Environment = Readonly<Record<string, string | undefined>>

/** What is wrong with the facilitator settings; one line for each mistake, without any value of the environment. */
export const facilitatorProblems = (file: File, env: Environment): string[] => {
  const problems: string[] = []
  if (file.url !== undefined && file.coinbase)
    problems.push('facilitator: url and coinbase exclude each other')
  if (file.url !== undefined && !isSafe(new URL(file.url)))
    problems.push('facilitator.url: must be https, or on this machine, without user or query')
  if (file.coinbase && (file.keyIdEnv === undefined || file.keySecretEnv === undefined))
    problems.push('facilitator.coinbase: needs keyIdEnv and keySecretEnv')
  for (const name of ['keyIdEnv', 'keySecretEnv', 'keyEnv'] as const) {
    const variable = file[name]
    if (variable !== undefined && !env[variable]) problems.push(`facilitator.${name}: ${variable} is not set`)
  }
  const { keysEnv } = file.serve
  if (keysEnv !== undefined && keysOf(env[keysEnv]).some((one) => one.length < SHORTEST))
    problems.push(`facilitator.serve.keysEnv: set ${keysEnv} to keys of ${SHORTEST} characters or more`)
  return problems
}

/** The secrets that the settings name. */
export const facilitatorSecrets = (file: File, env: Environment): FacilitatorSecrets => {
  const of = (name: string | undefined) => (name === undefined ? undefined : env[name])
  const { keysEnv } = file.serve
  return {
    id: of(file.keyIdEnv),
    secret: of(file.keySecretEnv),
    key: of(file.keyEnv),
    keys: keysEnv === undefined ? [] : keysOf(env[keysEnv]),
  }
}

const SHORTEST = 16

// A variable that is empty has one key that is too short, so that no door stands open by mistake.
const keysOf = (text: string | undefined): string[] => (text ?? '').split(',').map((one) => one.trim())

const isSafe = (url: URL): boolean => {
  const local = ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)
  return (url.protocol === 'https:' || local) && !url.username && !url.password && !url.search
}
