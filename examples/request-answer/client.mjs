// Asks: once, in vain, ten thousand times at once; and is asked.
//
//   node examples/request-answer/client.mjs pipe:answers
import { connect } from 'sluice'
import { Calls } from './calls.mjs'

const connection = await connect(process.argv[2] ?? 'pipe:answers')
const server = new Calls(connection, () => 'a client')

console.log(`2 + 3 = ${await server.ask({ name: 'add', values: [2, 3] })}`)

const many = 10_000
const sums = await Promise.all(
  Array.from({ length: many }, (_, i) => server.ask({ name: 'add', values: [i, i] })),
)
console.log(`${sums.filter((sum, i) => sum === 2 * i).length} of ${many} sums are right`)

console.log(await server.ask({ name: 'greet' }))

for (const [question, options] of [
  [{ name: 'multiply' }],
  [{ name: 'never' }, { timeout: 50 }],
  [{ name: 'add', values: ['x'.repeat(2 ** 20)] }],
]) {
  await server.ask(question, options).catch((error) => console.log(`no: ${error.message}`))
}

const inVain = server.ask({ name: 'never' })
server.close()
await inVain.catch((error) => console.log(`no: ${error.message}`))
