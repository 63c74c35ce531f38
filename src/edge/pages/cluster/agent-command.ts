/** The command that starts an agent of a cluster, with its two secrets in files. @param api the URL of the API */
export function agentCommand(cluster: string, api: string): string {
  return (
    `npx slipway --api-url ${api} agent --cluster ${cluster} --state-dir /var/lib/slipway ` +
    "--agent-token-file agent-token --signing-secret-file signing-secret"
  );
}
