// Where the jobs are: one queue in the Redis of REDIS_URL, under the application's prefix.

const redis = new URL(process.env.REDIS_URL ?? "redis://127.0.0.1:6379");

/** For BullMQ; agents wait for a Redis that is away, as long as it takes. */
export const connection = {
  host: redis.hostname,
  port: Number(redis.port || 6379),
  db: Number(redis.pathname.slice(1) || 0),
  username: decodeURIComponent(redis.username) || undefined,
  password: decodeURIComponent(redis.password) || undefined,
  tls: redis.protocol === "rediss:" ? {} : undefined,
  maxRetriesPerRequest: null,
};

/** BullMQ's keys begin with it: flowhealth-demo:jobs:... */
export const PREFIX = (process.env.PREFIX ?? "flowhealth-demo").replace(/:$/, "");
export const QUEUE = "jobs";
