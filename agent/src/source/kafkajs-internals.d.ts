// The parts of kafkajs behind its public surface that raw-batch-seam.ts checks before it touches them.
declare module 'kafkajs/src/protocol/requests/fetch/*' {
  const response: unknown;
  // biome-ignore lint/style/noDefaultExport: it is what the package exports
  export default response;
}

declare module 'kafkajs/src/consumer/consumerGroup.js' {
  const consumerGroup: unknown;
  // biome-ignore lint/style/noDefaultExport: it is what the package exports
  export default consumerGroup;
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  const requestQueue: unknown;
  // biome-ignore lint/style/noDefaultExport: it is what the package exports
  export default requestQueue;
}
