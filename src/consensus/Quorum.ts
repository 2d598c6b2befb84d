/**
 * How many of n masternodes decide: ⌈2n/3⌉.
 *
 * Two quorums of one set share more than a third of it, so that as long as fewer than a third lie, an honest one is in
 * both. None of nobody would be a quorum of nothing, which is never reached.
 */
export const quorum = (n: number): number => (n <= 0 ? Infinity : Math.ceil((2 * n) / 3))
