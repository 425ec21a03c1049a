require('./exchange.cjs').defineTests()
