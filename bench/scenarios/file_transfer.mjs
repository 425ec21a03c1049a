// A file from one program to another: `sluice send` and `sluice recv`, and two `cat` with a pipe between.
import { spawn } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { addChild, memoryName, socketPath } from '../harness/cleanup.mjs'

const bytes = 2 ** 31
const cli = fileURLToPath(new URL('../../dist/cli.cjs', import.meta.url))

let path

/** A file of zeros, which needs no room on the disk: it is the way that is measured. */
function file() {
  if (path === undefined) {
    path = socketPath()
    const descriptor = openSync(path, 'w+')
    ftruncateSync(descriptor, bytes)
    // Into the page cache, which whoever is measured first would have to fill for the others.
    const piece = Buffer.alloc(2 ** 20)
    for (let at = 0; at < bytes; at += piece.length)
      readSync(descriptor, piece, 0, piece.length, at)
    closeSync(descriptor)
  }
  return path
}

/** All run side by side; resolves when all have ended, with the time from the first start. */
async function whole(commands) {
  const begin = performance.now()
  const ends = commands.map(
    ([program, ...args]) =>
      new Promise((resolve, reject) => {
        const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
        addChild(child)
        let complaint = ''
        child.stderr.on('data', (data) => (complaint += data))
        child.once('error', reject)
        child.once('close', (code) => {
          if (code === 0) resolve()
          else reject(new Error(`${program} ${args.join(' ')}: ${complaint.trim()}`))
        })
      }),
  )
  await Promise.all(ends)
  return { count: bytes, seconds: (performance.now() - begin) / 1000 }
}

export default {
  id: 'file-transfer',
  title: 'a file of 2 GiB, from one program to another',
  unit: 'GB/s',
  value: ({ count, seconds }) => count / seconds / 1e9,
  participants: [
    {
      id: 'sluice',
      label: 'sluice send, sluice recv',
      run: () => {
        const name = memoryName()
        const node = process.execPath
        return whole([
          [node, cli, 'recv', '--quiet', name, '/dev/null'],
          [node, cli, 'send', '--quiet', name, file()],
        ])
      },
    },
    {
      id: 'cat',
      label: 'cat | cat',
      run: () => whole([['sh', '-c', 'cat "$0" | cat > /dev/null', file()]]),
    },
  ],
  rows: [
    {
      id: 'file-transfer',
      title: 'a file of 2 GiB, send and recv',
      figure: 'sluice',
      targets: { cat: { atLeast: 1 } },
    },
  ],
}
