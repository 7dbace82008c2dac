// The time of day as it goes on from the start of this process, whatever is done to the machine's clock meanwhile.

/** Returns whole milliseconds since 1970. */
export const steadyNow = (): number => Math.round(performance.timeOrigin + performance.now());
