/** Systems that lack what shared memory needs: what is said, and what `capabilities` tells. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { expect, onTestFinished } from 'vitest'

import { Child } from '../support/child.js'
import { onlyIf } from '../support/platform.js'
import { uniqueName } from '../support/rings.js'

interface Failure {
  name: string
  code: string
  syscall?: string
  message: string
}

const isRoot = process.platform === 'linux' && process.geteuid?.() === 0
const mounts = isRoot && spawnSync('unshare', ['--mount', 'true'], { stdio: 'ignore' }).status === 0
const hidden = onlyIf(mounts, 'hiding parts of the system needs Linux and its root')

/** The fixture, after a shell command in a mount namespace of its own. */
function after(command: string, what: string, argument = ''): Child {
  const shell = `${command} && exec "$0" "$@"`
  return new Child('bare_system.mjs', [what, argument], {
    program: 'unshare',
    execArgv: ['--mount', 'sh', '-c', shell, process.execPath],
  })
}

hidden('without /dev/shm the messages name it; what has no name works', async () => {
  const command =
    'mount -t tmpfs none /mnt && mknod -m 666 /mnt/null c 1 3 && mount --move /mnt /dev'
  const child = after(command, 'no names')
  const told = await child.next<Record<'create' | 'open' | 'list', Failure>>()
  expect(told).toMatchObject({ capabilities: { sharedMemory: false, listing: false, ring: true } })
  for (const failure of [told.create, told.open, told.list]) {
    expect(failure).toMatchObject({
      name: 'SluiceError',
      code: 'ENOENT',
      message: expect.stringContaining('/dev/shm') as string,
    })
  }
  expect(told).not.toHaveProperty('anonymous')
  await child.finish()
})

hidden('without /proc a role says that it needs it', async () => {
  const child = after('mount -t tmpfs none /proc', 'no processes')
  const told = await child.next<{ role: Failure }>()
  expect(told).toMatchObject({ capabilities: { ring: false } })
  expect(told.role).toMatchObject({ name: 'SluiceError', code: 'ENOENT', syscall: 'open' })
  expect(told.role.message).toMatch(
    /lock the producer's role .*: that needs \/proc, which is not mounted/,
  )
  await child.finish()
})

onlyIf(isRoot, 'only root can become another user')(
  'a role after a change of the user says who may have it, and what to do',
  async () => {
    const child = new Child('bare_system.mjs', ['another user', uniqueName()])
    const { role } = await child.next<{ role: Failure }>()
    expect(role).toMatchObject({ name: 'SluiceError', code: 'EACCES', syscall: 'open' })
    expect(role.message).toMatch(/user, 65534, may not open it \(it belongs to user 0\)/)
    expect(role.message).toMatch(/claim it before .* fchown, or use anonymous memory/)
    await child.finish()
  },
)

/** A control group of version 1 that allows so many bytes, or nothing where none can be made. */
function limitedGroup(bytes: number): string | undefined {
  const group = `/sys/fs/cgroup/memory/sluice-test-${String(process.pid)}`
  try {
    mkdirSync(group)
    writeFileSync(`${group}/memory.limit_in_bytes`, String(bytes))
    return group
  } catch {
    return undefined
  }
}

onlyIf(isRoot, 'only root makes control groups')(
  'more memory than the control group allows is an error, and kills nobody',
  async ({ skip }) => {
    const group = limitedGroup(48 * 2 ** 20)
    if (group === undefined) {
      skip('there are no control groups of version 1 here')
      return
    }
    onTestFinished(() => {
      rmdirSync(group)
    })
    const child = after(`echo $$ > ${group}/cgroup.procs`, 'limited memory', uniqueName())
    const told = await child.next<Record<string, Failure>>()
    for (const what of ['anonymous', 'named', 'ring']) {
      expect(told[what]).toMatchObject({ code: 'ENOMEM', syscall: 'posix_fallocate' })
      expect(told[what].message).toMatch(/memory limit of this process's control group/)
    }
    expect(told).not.toHaveProperty('small')
    await child.finish()
  },
)
