/** The check of the C++ sources' layers, scripts/check-includes.mjs, on small trees of its own. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

import { temporaryFolder } from '../support/folder.js'

const script = fileURLToPath(new URL('../../scripts/check-includes.mjs', import.meta.url))

/** The verdict of the check on these files: its output, and whether it passes. */
function check(files: Record<string, string>) {
  const folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.join(folder, path.dirname(name)), { recursive: true })
    writeFileSync(path.join(folder, name), text)
  }
  const { status, stdout } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' })
  return { passes: status === 0, faults: stdout.trim().split('\n').slice(0, -1) }
}

const sound = {
  'native/include/sluice/ring.hpp': '#include <atomic>\n#include "sluice/detail/bell.hpp"\n',
  'native/include/sluice/detail/bell.hpp': '#include "sluice/error.hpp"\n',
  'native/include/sluice/error.hpp': '',
  'native/src/core/watcher.hpp': '#include <napi.h>\n#include "sluice/error.hpp"\n',
  'native/src/memory/memory.hpp': '#include "core/watcher.hpp"\n',
  'native/src/ring/ring.cc': '#include "memory/memory.hpp"\n#include "sluice/ring.hpp"\n',
  'native/src/socket/socket.hpp': '#include "sluice/error.hpp"\n',
  'native/src/addon.cc': '#include "core/watcher.hpp"\n#include "socket/socket.hpp"\n',
}

test('passes what keeps to the layers', () => {
  expect(check(sound)).toEqual({ passes: true, faults: [] })
})

test.each([
  [
    'core that knows a feature',
    { 'native/src/core/watcher.hpp': '#include "socket/socket.hpp"\n' },
    'native/src/core/watcher.hpp: native/src/socket/socket.hpp lies above it',
  ],
  [
    'a feature that knows the top',
    {
      'native/src/features.hpp': '',
      'native/src/socket/socket.hpp': '#include "features.hpp"\n',
    },
    'native/src/socket/socket.hpp: native/src/features.hpp lies above it',
  ],
  [
    'a feature that knows the one beside it',
    { 'native/src/ring/ring.cc': '  #  include "socket/socket.hpp"\n' },
    'native/src/ring/ring.cc: native/src/socket/socket.hpp lies beside it',
  ],
  [
    'a header for users that knows the addon',
    { 'native/include/sluice/ring.hpp': '#include "core/watcher.hpp"\n' },
    'native/include/sluice/ring.hpp: native/src/core/watcher.hpp lies above it',
  ],
  [
    'a header for users that knows Node',
    { 'native/include/sluice/detail/bell.hpp': '#include <uv.h>\n' },
    'native/include/sluice/detail/bell.hpp: a public header cannot have <uv.h>',
  ],
  [
    'a file that is not there',
    { 'native/include/sluice/ring.hpp': '#include "sluice/detail/gone.hpp"\n' },
    'native/include/sluice/ring.hpp: there is no "sluice/detail/gone.hpp"',
  ],
  [
    'a circle of three files',
    {
      'native/src/memory/a.hpp': '#include "memory/b.hpp"\n',
      'native/src/memory/b.hpp': '#include "memory/c.hpp"\n',
      'native/src/memory/c.hpp': '#include "memory/a.hpp"\n',
    },
    'native/src/memory/a.hpp and native/src/memory/b.hpp and native/src/memory/c.hpp include each other in a circle',
  ],
  [
    'a folder that the table of layers does not have',
    { 'native/src/mux/mux.hpp': '#include "core/watcher.hpp"\n' },
    'native/src/mux/mux.hpp: its folder has no layer in scripts/check-includes.mjs',
  ],
])('refuses %s', (_, files, fault) => {
  expect(check({ ...sound, ...files })).toEqual({ passes: false, faults: [fault] })
})
