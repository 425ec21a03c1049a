/** The gaps in the comments of the public names. */
import { join } from 'node:path'
import ts from 'typescript'

import { root } from './command.js'
import { examples, program, type Example } from './examples.js'
import {
  checker,
  isIn,
  libFolder,
  publicTypes,
  type Member,
  type Name,
  type PublicType,
} from './public_names.js'

/** Called by Node's http and tls on a connection, and never by a user. */
const forNode = new Set(['destroySoon', 'setKeepAlive', 'setNoDelay'])

/** Only a transport that writes in the background needs it. */
const forTransports = new Set(['Outbox.interrupted', 'Outbox.refuse', 'Outbox.wrote'])

/** By the look of them they may throw, and they do not. */
const neverThrow = new Set([
  'Connection.abort',
  'Outbox.refuse',
  'Outbox.wrote',
  'PeerCredentials.sameUser',
  'PeerCredentials.securityLabel',
  'ReconnectingConnection.abort',
  'SharedMemory.close',
  'SluiceError',
  'isRetryable',
  'isSystemError',
])

/** Text before the first tag. */
function summaryOf(comment: string): string {
  return (comment.split(/^\s*@\w+/m)[0] ?? '').trim()
}

function throwsOf(comment: string): string {
  return /@throws([\s\S]*?)(?=^\s*@\w+|$(?![\s\S]))/m.exec(comment)?.[1]?.trim() ?? ''
}

/** The names that a comment links to: `Ring`, `Ring.open`. */
function linksOf({ comment }: Name): string[] {
  return [...comment.matchAll(/\{@link ([\w.]+)/g)].map(([, to = '']) => to)
}

/** A member has one when its class has. */
function hasExample(name: string): boolean {
  const type = publicTypes.get(name.split('.')[0] ?? '')
  const member = type?.members.find((one) => one.name === name)
  return [type, member].some((one) => one?.comment.includes('@example'))
}

export function isCallable({ symbol }: { symbol: ts.Symbol }): boolean {
  return (
    (symbol.flags &
      (ts.SymbolFlags.Function | ts.SymbolFlags.Method | ts.SymbolFlags.Constructor)) !==
    0
  )
}

export function isClass({ symbol }: PublicType): boolean {
  return (symbol.flags & ts.SymbolFlags.Class) !== 0
}

/** A name has an example or links to what has one; only types may link. */
function exampleProblem(type: PublicType): string | undefined {
  if (type.comment.includes('@example')) return undefined
  const isGivenAlone = type.name === 'Outbox' // a transport is given it
  if ((isClass(type) && !isGivenAlone) || isCallable(type)) return 'no @example'
  return linksOf(type).some(hasExample) ? undefined : 'no @example, and no {@link} to what has one'
}

const counted =
  /\b(bytes?|KiB|MiB|milliseconds|microseconds|connections?|clients?|messages?|chunks?|descriptors?|handles?|permissions?|mode|ids?|process|users?|groups?|type|error number|session|words?)\b/i

function isNumber(symbol: ts.Symbol): boolean {
  const type = checker.getTypeOfSymbol(symbol)
  const parts = type.isUnion() ? type.types : [type]
  return parts.some(({ flags }) => (flags & ts.TypeFlags.NumberLike) !== 0)
}

/** An optional property says what is so without it, a number what it counts. */
function propertyProblems(member: Member, ofOptions: boolean): string[] {
  if (/See \{@link \w+\.\w+\}/.test(member.comment)) return [] // the same as there
  const isOptional = (member.symbol.flags & ts.SymbolFlags.Optional) !== 0
  return [
    ...(ofOptions && isOptional && !/\bdefault\b/i.test(member.comment) ? ['no default'] : []),
    ...(isNumber(member.symbol) && !counted.test(member.comment) ? ['no unit'] : []),
  ]
}

// By the look of it: it throws, or calls what does, or the addon.
const throwing = /\bthrow\b|\b#?require[A-Z]\w*\(|\bcheck[A-Z]\w*\(|\bnative\.|Options\(/

function mayThrow(declaration: ts.Declaration): boolean {
  if (!ts.isFunctionLike(declaration)) return false
  const result = declaration.type?.getText() ?? ''
  const body = 'body' in declaration ? (declaration.body?.getText() ?? '') : ''
  return declaration.parameters.length > 0 || /^(Promise|Async)/.test(result) || throwing.test(body)
}

const code = /`(E[A-Z_]+)`|\bas `|\bwhat |as \{@link/i

/** Errors are told by their codes. */
function throwsProblem({ name, declarations, comment }: Name): string | undefined {
  if (neverThrow.has(name) || !declarations.some(mayThrow)) return undefined
  const text = throwsOf(comment)
  if (text === '') return 'no @throws'
  return code.test(text) ? undefined : 'no code in @throws'
}

/** Sockets are not of Windows, and pipes of nothing else. */
function platformProblem({ declarations, comment }: PublicType): string | undefined {
  const isOf = (folder: string) =>
    declarations.some((declaration) => isIn(`${libFolder}${folder}/`, declaration))
  if (isOf('pipe') && !/Windows\s+only/.test(comment)) return "does not say 'Windows only'"
  if (isOf('socket') && !/Not\s+on\s+Windows/.test(comment)) return "does not say 'Not on Windows'"
  return undefined
}

/** The members that an example uses, by their declarations. */
function usesOf({ path }: Example): Set<ts.Node> {
  const used = new Set<ts.Node>()
  const add = (symbol: ts.Symbol | undefined) => {
    for (const declaration of symbol?.declarations ?? []) used.add(declaration)
  }
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node)) add(checker.getSymbolAtLocation(node.name))
    if (ts.isForOfStatement(node)) {
      const type = checker.getTypeAtLocation(node.expression)
      add(checker.getPropertiesOfType(type).find(({ name }) => name.startsWith('__@asyncIterator')))
    }
    ts.forEachChild(node, visit)
  }
  const file = program.getSourceFile(path)
  if (file !== undefined) visit(file)
  return used
}

const uses = new Map(examples.map((example) => [example, usesOf(example)]))

/** The declarations of a class, and of those of lib which it extends. */
function classesOf(symbol: ts.Symbol): ts.Node[] {
  const type = checker.getDeclaredTypeOfSymbol(symbol)
  const bases = (type.getBaseTypes() ?? []).flatMap(({ symbol: base }) => classesOf(base))
  return [...(symbol.declarations ?? []).filter((node) => isIn(libFolder, node)), ...bases]
}

function isExampleOf({ file, position }: Example, declaration: ts.Node): boolean {
  const path = join(root, file).replaceAll('\\', '/')
  return (
    declaration.getSourceFile().fileName === path &&
    declaration.pos <= position &&
    position < declaration.end
  )
}

/** The members that the examples of a class use: of itself, what it extends, and what its comment links to. */
function usedBy(type: PublicType): Set<ts.Node> {
  const linked = linksOf(type).flatMap((name) => publicTypes.get(name)?.declarations ?? [])
  const places = [...classesOf(type.symbol), ...linked]
  const own = examples.filter((example) => places.some((place) => isExampleOf(example, place)))
  return new Set(own.flatMap((example) => [...(uses.get(example) ?? [])]))
}

/** The methods of classes that no example of their class uses. */
function unusedMethods(): Set<ts.Node> {
  const unused = new Set<ts.Node>()
  const used = new Set<ts.Node>()
  for (const type of publicTypes.values()) {
    if (!isClass(type)) continue
    const here = usedBy(type)
    for (const member of type.members) {
      if (!isCallable(member) || member.name === type.name) continue
      const isUsed = member.declarations.some((declaration) => here.has(declaration))
      for (const declaration of member.declarations) (isUsed ? used : unused).add(declaration)
    }
  }
  // A method that is inherited is used when one of the classes that have it uses it.
  for (const declaration of used) unused.delete(declaration)
  return unused
}

/** `Ring.open: no @throws`, for all that is lacking. */
export function lacking(): string[] {
  const unused = unusedMethods()
  const found: string[] = []
  const add = (name: string, ...problems: (string | undefined)[]) => {
    for (const problem of problems) if (problem !== undefined) found.push(`${name}: ${problem}`)
  }
  const seen = new Set<ts.Node>()
  for (const type of publicTypes.values()) {
    add(type.name, summaryOf(type.comment) === '' ? 'no summary' : undefined)
    add(type.name, exampleProblem(type))
    if (isClass(type) || isCallable(type)) add(type.name, platformProblem(type))
    if (!isClass(type)) add(type.name, throwsProblem(type))
    const ofOptions = /Options$|^EndTimeout$/.test(type.name)
    for (const member of type.members) {
      const declaration = member.declarations.at(0)
      if (declaration === undefined || seen.has(declaration)) continue
      seen.add(declaration)
      const { name } = member
      const [, own = name] = name.split('.')
      const isSaid = member.name === type.name || summaryOf(member.comment) !== ''
      add(name, isSaid ? undefined : 'no summary')
      if (!isCallable(member)) add(name, ...propertyProblems(member, ofOptions))
      if (!isClass(type)) continue
      add(name, throwsProblem(member))
      const isExempt = own.startsWith('[dispose') || forNode.has(own) || forTransports.has(name)
      if (unused.has(declaration) && !isExempt) add(name, 'in no example of its class')
    }
  }
  return found
}
