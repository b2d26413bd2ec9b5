// Types of kafka-jars.mjs, which is plain JavaScript because the bootstrap calls it before anything is
// installed.
export const KAFKA_VERSION: string;
export function kafkaJarsPath(): string;
export function ensureKafkaJars(): Promise<{ path: string; fresh: boolean; bytes: number }>;
