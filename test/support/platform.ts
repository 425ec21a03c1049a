/** Where the tests run. */
export const onWindows = process.platform === 'win32'

/** Set by scripts/test-windows.sh. Wine does not do all that Windows does. */
export const underWine = process.env['SLUICE_UNDER_WINE'] === '1'
