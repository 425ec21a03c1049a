// What every copy of the package can do, whichever was loaded first: for test runners that load it
// anew for each file (Jest), for each test (resetModules), or in a realm of its own (vm contexts).
exports.defineTests = function defineTests() {
  for (const round of [1, 2]) {
    test(`errors are of this copy's class, time ${round}`, () => {
      const { Ring, SharedMemory, SluiceError } = require('sluice')
      const calls = [() => SharedMemory.open('/sluice-no-such-name'), () => Ring.create('/x', 5)]
      for (const call of calls) {
        expect(call).toThrow(SluiceError)
        expect(call).toThrow(Error)
      }
    })

    test(`a ring wakes who waits, time ${round}`, async () => {
      const { Ring } = require('sluice')
      const ring = Ring.anonymous({ capacity: 4096 })
      const reading = ring.consumer({ spin: 0 }).read()
      await new Promise((resolve) => setTimeout(resolve, 20))
      ring.producer().tryWrite(Buffer.from('hello'))
      expect(String(await reading)).toBe('hello')
      ring.close()
    })

    if (process.platform === 'win32') continue // which has no Unix sockets
    test(`sockets say that something has come, time ${round}`, async () => {
      const { socketPair, SluiceError } = require('sluice')
      const [a, b] = socketPair()
      const receiving = b.receive()
      await new Promise((resolve) => setTimeout(resolve, 20))
      await a.send(Buffer.from('hello'))
      expect(String((await receiving).data)).toBe('hello')
      await expect(b.receive({ timeout: 1 })).rejects.toThrow(SluiceError)
      a.destroy()
      b.destroy()
    })
  }
}
