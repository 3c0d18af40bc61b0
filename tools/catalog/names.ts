/** What a model is called elsewhere: its ids at hosts, and snapshots of it that price lists know. */
export type Called = { id: string; lab: string; names: readonly string[] }

/** Other names of each model that no other model has, lower-cased and with dashes in versions; better names first, so that a worse one never takes a better one's. */
export const aliasesOf = (models: readonly Called[]): Map<string, string[]> => {
  const taken = new Map<string, string | undefined>()
  const aliases = new Map<string, string[]>(models.map(({ id }) => [id, []]))
  for (const [rank, namesOf] of RANKS.entries()) {
    const here = new Map<string, string | undefined>()
    for (const model of models) {
      for (const name of new Set(namesOf(model).map(plain))) {
        here.set(name, here.has(name) && here.get(name) !== model.id ? undefined : model.id)
      }
    }
    for (const [name, id] of here) {
      if (taken.has(name)) continue
      taken.set(name, id)
      if (rank > OWN && id !== undefined) aliases.get(id)!.push(name)
    }
  }
  for (const names of aliases.values()) names.sort()
  return aliases
}

const shortOf = (name: string): string => name.slice(name.lastIndexOf('/') + 1)
const undated = (name: string): string => name.replace(/[-@](20\d{6}|20\d\d-\d\d-\d\d)(?=$|[-:])/, '')

const called = ({ lab, names }: Called): string[] =>
  names.flatMap((name) => (name.includes('/') ? [name] : [name, `${lab}/${name}`]))

const RANKS: readonly ((model: Called) => readonly string[])[] = [
  ({ id }) => [id],
  ({ id }) => [id.slice(id.indexOf('/') + 1)],
  called,
  ({ names }) => names.map(shortOf),
  (model) => called(model).map(undated),
  ({ names }) => names.map(shortOf).map(undated),
]
/** Up to here a catalogue knows them by itself. */
const OWN = 1

/** One spelling of names that differ in case and in how they write a version: claude-sonnet-4.5 and claude-sonnet-4-5. */
export const plain = (name: string): string => name.toLowerCase().replace(/(\d)[.](?=\d)/g, '$1-')
