export interface DirectoryRpc {
  /** Gives the code to the service if nobody else has it. Asking again for the same service is harmless. */
  claim(code: string, account: string, service: string): Promise<boolean>;
  lookup(code: string): Promise<{ account: string; service: string } | null>;
}
