// placeholder replaced by the platform scan
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')
for (const part of ['core', 'memory', 'ring']) {
  for (const file of readdirSync(join(root, 'native/src', part)).sort()) {
    if (file.endsWith('.cc')) console.log(`native/src/${part}/${file}`)
  }
}
