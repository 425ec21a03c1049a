/**
 * The public names: what lib/index.ts exports, and each member of such a class or interface that lib
 * declares. Names that are marked `@internal` are not public.
 */
import { join } from 'node:path'
import ts from 'typescript'

import { root } from './command.js'
import { program } from './examples.js'

export const checker = program.getTypeChecker()
export const libFolder = `${join(root, 'lib').replaceAll('\\', '/')}/`

export interface Name {
  /** `Ring`, `Ring.open`. */
  name: string
  declarations: readonly ts.Declaration[]
  comment: string
}

export interface PublicType extends Name {
  symbol: ts.Symbol
  members: Member[]
}

export interface Member extends Name {
  symbol: ts.Symbol
}

export function isIn(folder: string, node: ts.Node): boolean {
  return node.getSourceFile().fileName.startsWith(folder)
}

/** The comments in front of the declarations, without their stars. */
function commentOf(declarations: readonly ts.Declaration[]): string {
  return declarations
    .map((declaration) =>
      ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration,
    )
    .flatMap((declaration) => ts.getJSDocCommentsAndTags(declaration))
    .filter(ts.isJSDoc)
    .map((comment) => comment.getText().replaceAll(/^\s*\/?\*+\/?|\*\/$/gm, ''))
    .join('\n')
}

function isPublic(declaration: ts.Declaration): boolean {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected
  const name = ts.getNameOfDeclaration(declaration)
  return (
    isIn(libFolder, declaration) &&
    (ts.getCombinedModifierFlags(declaration) & hidden) === 0 &&
    !(name !== undefined && ts.isPrivateIdentifier(name)) &&
    !commentOf([declaration]).includes('@internal')
  )
}

function membersOf(symbol: ts.Symbol, name: string): Member[] {
  if (symbol.flags & ts.SymbolFlags.TypeAlias) return [] // those of other types
  const type = checker.getDeclaredTypeOfSymbol(symbol)
  const statics = checker.getPropertiesOfType(checker.getTypeOfSymbol(symbol))
  const isClass = (symbol.flags & ts.SymbolFlags.Class) !== 0
  const constructor = symbol.members?.get(ts.InternalSymbolName.Constructor)
  const all = [
    ...checker.getPropertiesOfType(type).filter((member) => !isOfNode(type, member)),
    ...(isClass ? statics : []),
    ...(constructor === undefined ? [] : [constructor]),
  ]
  return all.flatMap((member) => {
    const declarations = (member.declarations ?? []).filter(isPublic)
    if (declarations.length === 0 || member.flags & ts.SymbolFlags.Prototype) return []
    const own = member === constructor ? name : `${name}.${plainName(member)}`
    return [{ name: own, symbol: member, declarations, comment: commentOf(declarations) }]
  })
}

/** Node's Duplex and Error have it, and so has Node's documentation. */
function isOfNode(type: ts.Type, member: ts.Symbol): boolean {
  return (type.getBaseTypes() ?? []).some((base) => {
    const declarations = checker.getPropertyOfType(base, member.name)?.declarations ?? []
    const isForeign = declarations.some((declaration) => !isIn(libFolder, declaration))
    return isForeign || isOfNode(checker.getDeclaredTypeOfSymbol(base.symbol), member)
  })
}

/** `[Symbol.dispose]` has a name of the compiler's own. */
function plainName(symbol: ts.Symbol): string {
  return symbol.name.replace(/^__@(\w+)@\d+$/, '[$1]')
}

/** The exports of `lib/index.ts`, by name. */
export const publicTypes: ReadonlyMap<string, PublicType> = (() => {
  const index = program.getSourceFile(join(root, 'lib/index.ts').replaceAll('\\', '/'))
  const module = index && checker.getSymbolAtLocation(index)
  if (module === undefined) throw new Error('lib/index.ts exports nothing')
  return new Map(
    checker.getExportsOfModule(module).map((exported) => {
      const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0
      const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported
      const declarations = symbol.declarations ?? []
      const { name } = exported
      const comment = commentOf(declarations)
      return [name, { name, symbol, declarations, comment, members: membersOf(symbol, name) }]
    }),
  )
})()
