// What the three Node peers share: the app's frame, the password route, and how a server begins and ends.
//
// Settings, and who advises them:
// - NODE_ENV is production, and handlers use asynchronous functions where there are any:
//   https://expressjs.com/en/advanced/best-practice-performance.html
// - SIGTERM ends it gracefully: https://expressjs.com/en/advanced/healthcheck-graceful-shutdown.html
// - No ETags: no other peer makes them, and a hash of each answer would count against Express.
// - argon2's hash() computes on libuv's thread pool, whose default of four threads stays:
//   https://nodejs.org/docs/latest-v20.x/api/cli.html#uv_threadpool_sizesize
import { fstatSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import argon2 from 'argon2';
import express from 'express';

export const CORES = availableParallelism();
export const BODY_LIMIT = '16mb';

const ARGON2 = { type: argon2.argon2id, memoryCost: 19456, timeCost: 2, parallelism: 1 };

async function hash(request, response) {
  const password = request.body?.password;
  if (typeof password !== 'string') return response.sendStatus(400);
  response.json({ phc: await argon2.hash(password, ARGON2) });
}

// Without this, Express writes a stack trace for each malformed body.
function refuse(error, request, response, next) {
  if (response.headersSent) return next(error);
  response.sendStatus(error.status ?? (error instanceof SyntaxError ? 400 : 500));
}

export function milliseconds(request) {
  const ms = Number(request.query.ms);
  if (!Number.isInteger(ms) || ms < 0) throw Object.assign(new Error('ms is no number'), { status: 400 });
  return ms;
}

export function createApp(routes) {
  const app = express();
  app.disable('etag');
  app.disable('x-powered-by');
  app.get('/', (request, response) => response.send('hello'));
  app.post('/hash', express.json(), hash);
  routes(app);
  app.use(refuse);
  return app;
}

// In a cluster, the workers share the port that the first of them gets.
export function listen(app, onListening) {
  const server = app.listen(0, '127.0.0.1', () => onListening?.(server.address().port));
  process.once('SIGTERM', () => server.close(() => process.exit()));
}

export function announce(port) {
  process.stdout.write(`127.0.0.1:${port}\n`);
}

// So that this process never outlives the harness. On a thread of its own, because the main one may be busy for long.
export function endWithStandardInput() {
  const stdin = fstatSync(0);
  if (!stdin.isFIFO() && !stdin.isSocket()) return;
  const watch = `
    const stdin = new (require('node:net').Socket)({ fd: 0, readable: true, writable: false });
    stdin.on('close', () => process.kill(process.pid, 'SIGKILL')).resume();
  `;
  new Worker(watch, { eval: true }).unref();
}
