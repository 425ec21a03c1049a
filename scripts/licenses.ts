// Collects the licences of the packages whose code a bundle contains, from esbuild's own account
// of what it put in.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The part of esbuild's metafile that matters here. */
interface Bundles {
  outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>
}

const packageFolder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/
const separator = `\n${'-'.repeat(80)}\n\n`

export function writeLicenses(bundles: Bundles, target: string): void {
  const folders = new Set<string>()
  for (const { inputs } of Object.values(bundles.outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = packageFolder.exec(input)?.[0]
      if (folder !== undefined && bytesInOutput > 0) folders.add(folder)
    }
  }
  writeFileSync(target, [...folders].sort().map(licenseOf).join(separator))
}

function licenseOf(folder: string): string {
  const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string
    version: string
    license: string
  }
  const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry))
  if (file === undefined) throw new Error(`${about.name} comes without the text of its licence`)
  const text = readFileSync(join(folder, file), 'utf8').trim()
  return `${about.name} ${about.version} (${about.license})\n\n${text}\n`
}
