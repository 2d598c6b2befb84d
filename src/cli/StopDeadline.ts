/**
 * The last resort of a node that stops: what is not stored within a few seconds is given up, and the process ends.
 */
const STOP_DEADLINE = 4_500

/** Ends the process with code 1 if it has not ended by itself in time. `cause` says what asked it to stop. */
export const arm = (cause: string): void => {
  setTimeout(() => {
    process.stderr.write(`timenode: not stopped within ${STOP_DEADLINE / 1000} seconds of ${cause}; giving up\n`)
    process.exit(1)
  }, STOP_DEADLINE).unref()
}
