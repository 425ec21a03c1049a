// A lock between processes, of files alone: Node has no flock.
//
// The files `lock.1`, `lock.2`, … each name a process. The highest one is the lock, and it is held
// while its process lives and has not released it. To take it over is to make the next number,
// which only one can do. Nobody removes the highest file, so a contender that was asleep between
// looking and making finds a higher number afterwards, and tries again.
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const released = 'released'

/** Runs `work` while no other process does. `waits` is called with the pid of who is in the way. */
export async function withLock(directory, waits, work) {
  mkdirSync(directory, { recursive: true })
  const file = await acquire(directory, waits)
  try {
    return await work()
  } finally {
    writeFileSync(file, released)
  }
}

async function acquire(directory, waits) {
  // Made aside and then linked: a lock file is never seen without its content.
  const draft = path.join(directory, `draft.${process.pid}`)
  writeFileSync(draft, String(process.pid))
  try {
    for (let told = 0; ;) {
      const highest = numbers(directory).at(-1) ?? 0
      const holder = livingHolder(directory, highest)
      if (holder !== undefined) {
        if (told !== holder) waits(holder)
        told = holder
        await sleep(100)
        continue
      }
      const file = name(directory, highest + 1)
      if (!link(draft, file)) continue
      const all = numbers(directory)
      if (all.at(-1) !== highest + 1) {
        rmSync(file, { force: true })
        continue
      }
      for (const number of all.slice(0, -1)) rmSync(name(directory, number), { force: true })
      return file
    }
  } finally {
    rmSync(draft, { force: true })
  }
}

function name(directory, number) {
  return path.join(directory, `lock.${number}`)
}

function numbers(directory) {
  return readdirSync(directory)
    .filter((file) => /^lock\.\d+$/.test(file))
    .map((file) => Number(file.slice('lock.'.length)))
    .sort((a, b) => a - b)
}

function livingHolder(directory, number) {
  if (number === 0) return undefined
  let content
  try {
    content = readFileSync(name(directory, number), 'utf8')
  } catch {
    return undefined // replaced by a higher one since
  }
  const pid = Number(content)
  if (content === released || !(pid > 0)) return undefined
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code === 'ESRCH') return undefined
  }
  return pid
}

function link(from, to) {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}
