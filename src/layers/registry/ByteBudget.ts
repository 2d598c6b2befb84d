/**
 * Bytes held for all connections together. Over the limit, the connections that hold most are closed, largest first.
 */

/** What one connection holds. */
export interface Account {
  /** As last told. */
  bytes: number
  isOpen: boolean
  /** What it is now. */
  readonly measure: () => number
  /** Closes the connection, which closes the account. */
  readonly evict: () => void
}

export class ByteBudget {
  private readonly limit: number
  private readonly accounts = new Set<Account>()
  private total = 0

  constructor(limit: number) {
    this.limit = limit
  }

  open(measure: () => number, evict: () => void): Account {
    const account: Account = { bytes: 0, isOpen: true, measure, evict }
    this.accounts.add(account)
    return account
  }

  /** Takes note that an account may have grown or shrunk. */
  update(account: Account): void {
    this.refresh(account)
    if (this.total > this.limit) this.relieve()
  }

  close(account: Account): void {
    if (!account.isOpen) return
    account.isOpen = false
    this.accounts.delete(account)
    this.total -= account.bytes
  }

  private refresh(account: Account): void {
    if (!account.isOpen) return
    const bytes = account.measure()
    this.total += bytes - account.bytes
    account.bytes = bytes
  }

  private relieve(): void {
    for (const account of this.accounts) this.refresh(account)
    while (this.total > this.limit) {
      let largest: Account | undefined
      for (const account of this.accounts) {
        if (largest === undefined || account.bytes > largest.bytes) largest = account
      }
      if (largest === undefined) return
      this.close(largest)
      largest.evict()
    }
  }
}
