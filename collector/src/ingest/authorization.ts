// Which agent may send which topic. A name may end in `*`. Pure.

export interface AgentGrant {
  readonly id: string;
  readonly topics: readonly string[];
}

export function isKnownAgent(grants: readonly AgentGrant[], agentId: string): boolean {
  return grants.some(({ id }) => matches(id, agentId));
}

export function maySend(grants: readonly AgentGrant[], agentId: string, topic: string): boolean {
  return grants.some(({ id, topics }) => matches(id, agentId) && topics.some((name) => matches(name, topic)));
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
