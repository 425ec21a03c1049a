/** The programs of README and of the pages of docs, as they stand. */
import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'vitest'

import { node, root, type Command } from './command.js'
import { temporaryFolder } from './folder.js'
import { onWindows } from './platform.js'
import { namePrefix } from './resources.js'
import { uniqueName } from './rings.js'

export interface Program {
  /** Its name, which is in the first line. */
  file: string
  body: string
  /** The text block right behind it: all that it prints. */
  output: string | undefined
}

/** All blocks of code of a document: each is a program. */
export function programsOf(document: string): Program[] {
  const text = readFileSync(join(root, document), 'utf8')
  const block = /^```(?:js|ts|cpp)\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?/gms
  return [...text.matchAll(block)].map(([, body = '', output]) => ({
    file: /^\/\/ ([\w.-]+)/.exec(body)?.[1] ?? 'without a name',
    body,
    output,
  }))
}

/**
 * A folder with these programs, in which sluice is installed. Their names of rings, memory and sockets
 * are made this test's own: the tests of another checkout may run meanwhile.
 */
export class Project {
  readonly folder = temporaryFolder()
  readonly #uid: number | undefined
  readonly #names = new Map<string, string>()

  constructor(programs: readonly Program[], uid?: number) {
    this.#uid = uid
    for (const { file, body } of programs) {
      const own = body.replaceAll(/(?<=['"])(?:\/tmp\/[\w.-]+|[/@][\w-]+)(?=['"])/g, (name) =>
        this.nameOf(name),
      )
      writeFileSync(join(this.folder, file), onWindows ? withoutPackage(own) : own)
    }
    writeFileSync(join(this.folder, 'package.json'), '{ "type": "module" }')
    if (!onWindows) {
      const modules = join(this.folder, 'node_modules')
      mkdirSync(modules)
      symlinkSync(root, join(modules, 'sluice'))
    }
    chmodSync(this.folder, 0o755)
    if (uid !== undefined) chownSync(this.folder, uid, uid)
  }

  /** The name that stands in the programs in place of this one. */
  nameOf(name: string): string {
    const own = this.#names.get(name) ?? this.#newName(name)
    this.#names.set(name, own)
    return own
  }

  start(file: string): Command {
    const uid = this.#uid === undefined ? {} : { uid: this.#uid }
    return node([file], { cwd: this.folder, input: '', ...uid })
  }

  /** The output of a program that ends well and says nothing else. */
  async run(file: string): Promise<string> {
    return outputOf(this.start(file))
  }

  #newName(name: string): string {
    if (name.startsWith('/tmp/')) return join(this.folder, basename(name))
    return name.startsWith('@') ? `@${namePrefix}${name.slice(1)}` : uniqueName()
  }
}

/** There a link to the package takes an administrator. */
function withoutPackage(body: string): string {
  const entry = pathToFileURL(join(root, 'dist/index.js')).href
  return body.replaceAll("from 'sluice'", `from '${entry}'`)
}

export async function outputOf(command: Command): Promise<string> {
  const { code, stdout, stderr } = await command.finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.toString()
}
