// Started by pack.mjs: compresses what comes through the ring into a file.
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { Ring } from 'sluice'

const [name, target] = process.argv.slice(2)
const ring = Ring.open(name)
await pipeline(ring.consumer().createReadStream(), createGzip(), createWriteStream(target))
ring.close()
