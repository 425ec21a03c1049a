#!/usr/bin/env node
async function main(): Promise<number> {
  try {
    // Imported here: a library whose binary is missing ends in one line, not in a stack.
    const { createProgram, runProgram } = await import('./program.js')
    return await runProgram(createProgram())
  } catch (error) {
    process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  }
}

// A read from a terminal or a write to a stalled pipe may still be under way.
void main().then((code) => process.exit(code))
