// A pipeline through two processes: this one reads a file, the other compresses it.
//
//   node examples/gzip-pipeline/pack.mjs [file]
//
// The ring's streams have back-pressure: when the compressor is behind, the reader waits. A reader
// that fails half-way makes the compressor fail too, instead of ending with half a file.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { Ring } from 'sluice'

const source = process.argv[2] ?? fileURLToPath(import.meta.url)
const folder = await mkdtemp(join(tmpdir(), 'gzip-pipeline-'))
const target = join(folder, 'packed.gz')
const name = `/gzip-pipeline-${process.pid}`

// The two processes find each other by the ring's name.
const ring = Ring.create(name)
const compressor = fileURLToPath(new URL('compress.mjs', import.meta.url))
const child = spawn(process.execPath, [compressor, name, target], { stdio: 'inherit' })
const exited = once(child, 'exit')
try {
  await pipeline(createReadStream(source), ring.producer().createWriteStream())
  const [code] = await exited
  if (code !== 0) throw new Error(`the compressor ended with ${code}`)

  const packed = await readFile(target)
  const original = await readFile(source)
  const same = gunzipSync(packed).equals(original)
  console.log(
    `${original.length} bytes became ${packed.length}; unpacked again: ${same ? 'the same' : 'DIFFERENT'}`,
  )
  process.exitCode = same ? 0 : 1
} finally {
  child.kill()
  ring.unlink()
  ring.close()
  await rm(folder, { recursive: true })
}
