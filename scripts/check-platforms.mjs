// Compiles and links the addon for systems that this machine is not, with their own headers and with
// warnings as errors, and looks whether each function that it imports is one of Node's or the system's: a
// linker for an addon does not notice a misspelt one. Nothing is run.
//
//   node scripts/check-platforms.mjs             macOS on both architectures, FreeBSD
//   node scripts/check-platforms.mjs darwin      those with one of these words in their name
import { examine } from './check-binaries.mjs'
import { Steps } from './steps.mjs'
import { buildByZig } from './zig.mjs'

const targets = {
  'darwin-arm64': 'aarch64-macos.11.0',
  'darwin-x64': 'x86_64-macos.11.0',
  'freebsd-x64': 'x86_64-freebsd',
}

const words = process.argv.slice(2)
const steps = new Steps()
for (const [platform, target] of Object.entries(targets)) {
  if (words.length > 0 && !words.some((word) => platform.includes(word))) continue
  const binary = await steps.run(`${platform} compiles and links`, () => buildByZig(target))
  if (binary === undefined) continue
  await steps.run(`${platform} imports nothing unknown`, () => {
    const { imports, wrong } = examine(binary, platform.split('-')[0])
    console.log(`        ${imports} imports`)
    if (wrong.length > 0) throw new Error(wrong.join('\n'))
  })
}
steps.finish()
