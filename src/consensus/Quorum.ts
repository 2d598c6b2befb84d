/**
 * How many members of a set must agree.
 *
 * Of n members fewer than a third are taken to be faulty. Any two quorums then share a member that is not, and those that
 * are not faulty make a quorum.
 */

/** The votes that decide among `n` members: two thirds, rounded up. Of nobody there is no quorum. */
export const quorum = (n: number): number => (n <= 0 ? Infinity : Math.ceil((2 * n) / 3))

/** So many members that one of them, at least, is not faulty. */
export const honestMinority = (n: number): number => Math.ceil(n / 3)
