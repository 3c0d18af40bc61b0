// Loaded before every measured server: says what CPU it used, ends with the bench, and keeps a server that would
// listen on every interface on loopback (BENCH_LOOPBACK). CommonJS, because `--require` must work for any of them.
const { Server } = require('node:net')

if (process.env.BENCH_LOOPBACK) {
  const listen = Server.prototype.listen
  Server.prototype.listen = function (...args) {
    const done = args.find((one) => typeof one === 'function')
    this.once('listening', () => process.send?.({ ready: `http://127.0.0.1:${this.address().port}` }))
    return listen.call(this, { host: '127.0.0.1', port: 0 }, done)
  }
}

process.on('message', ({ n, ask }) => {
  if (ask === 'cpu') process.send({ n, answer: process.cpuUsage() })
})
process.on('disconnect', () => process.exit())
